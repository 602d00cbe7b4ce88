"""Which AWS errors are transient, and the bounded repetition."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)

from sitewright.retry import Backoff, checked_sleep, error_code, is_condition_failed, is_transient, retry


def refusal(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Call")


def failing(times: int, error: Exception) -> Callable[[], str]:
    left = [error] * times

    def call() -> str:
        if left:
            raise left.pop()
        return "done"

    return call


@pytest.mark.parametrize(
    "error",
    [
        refusal("TransactionConflictException"),
        refusal("ThrottlingException"),
        refusal("SlowDown", 503),
        refusal("Unheard", 500),
        refusal("TooManyRequests", 429),
        EndpointConnectionError(endpoint_url="https://x"),
        ReadTimeoutError(endpoint_url="https://x"),
        CredentialRetrievalError(provider="container", error_msg="timed out"),
    ],
    ids=str,
)
def test_conflicts_throttling_and_faults_of_service_or_network_are_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        refusal("AccessDeniedException"),
        refusal("ConditionalCheckFailedException"),
        refusal("404", 404),
        ParamValidationError(report="x"),
        ValueError("x"),
    ],
    ids=str,
)
def test_refusals_and_our_own_mistakes_are_not(error: Exception) -> None:
    assert not is_transient(error)


def test_an_error_of_the_transfer_manager_is_judged_by_its_cause() -> None:
    try:
        try:
            raise refusal("SlowDown", 503)
        except ClientError:
            raise S3UploadFailedError("x")  # noqa: B904 - as boto3 does it
    except S3UploadFailedError as error:
        assert is_transient(error)
    assert not is_transient(S3UploadFailedError("x"))


def test_the_code_of_a_client_error() -> None:
    assert error_code(refusal("NoSuchKey")) == "NoSuchKey" and error_code(ValueError("x")) == ""
    assert is_condition_failed(refusal("ConditionalCheckFailedException"))


def test_a_call_is_repeated_with_growing_spread_pauses() -> None:
    pauses: list[float] = []
    backoff = Backoff(seconds=60, first=1, longest=4)
    assert retry(failing(4, refusal("SlowDown")), backoff, sleep=pauses.append) == "done"
    assert [limit / 2 <= pause <= limit for pause, limit in zip(pauses, [1, 2, 4, 4], strict=True)] == [True] * 4


def test_it_ends_with_the_last_error_when_the_pauses_reach_the_bound() -> None:
    pauses: list[float] = []
    with pytest.raises(ClientError, match="SlowDown"):
        retry(failing(100, refusal("SlowDown")), Backoff(seconds=10, first=1, longest=4), sleep=pauses.append)
    assert 3 <= len(pauses) <= 6 and sum(pauses) <= 10


def test_it_ends_when_the_calls_themselves_take_too_long() -> None:
    def call() -> None:
        time.sleep(0.03)
        raise refusal("SlowDown")

    began = time.monotonic()
    with pytest.raises(ClientError):
        retry(call, Backoff(seconds=0.1, first=0.01, longest=0.01), sleep=lambda _: None)
    assert time.monotonic() - began < 1


def test_what_is_not_retryable_is_raised_at_once() -> None:
    def no(_: float) -> None:
        raise AssertionError("slept")

    with pytest.raises(ClientError, match="AccessDenied"):
        retry(failing(1, refusal("AccessDenied")), Backoff(9, 1, 1), sleep=no)
    with pytest.raises(ClientError, match="SlowDown"):
        retry(failing(1, refusal("SlowDown")), Backoff(9, 1, 1), retryable=lambda _: False, sleep=no)


def test_a_check_ends_the_wait() -> None:
    def stop() -> None:
        raise KeyError("stopped")

    with pytest.raises(KeyError):
        retry(failing(1, refusal("SlowDown")), Backoff(9, 1, 1), sleep=checked_sleep(stop))
    checked_sleep(lambda: None)(0.01)
