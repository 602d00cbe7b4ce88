"""Tells which AWS errors are transient, and repeats a call after such an error."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from boto3.exceptions import Boto3Error
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
)

CONDITION_FAILED = "ConditionalCheckFailedException"
"""DynamoDB's code for a write whose condition is false."""

TRANSACTION_CONFLICT = "TransactionConflictException"
"""DynamoDB's code for a write to an item that a transaction is changing. boto3's own retries do not cover it.

Source: DynamoDB Developer Guide, "Amazon DynamoDB Transactions: How it works", conflict handling.
"""

_TRANSIENT_CODES = frozenset(
    {
        "InternalError",
        "InternalServerError",
        "OperationAborted",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        TRANSACTION_CONFLICT,
    }
)

_TRANSIENT_ERRORS = (
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
)

AwsError = (ClientError, BotoCoreError, Boto3Error)
"""Everything boto3 raises; Boto3Error comes from its transfer manager."""

_SLICE_SECONDS = 0.25

T = TypeVar("T")


def error_code(error: BaseException) -> str:
    """Returns the AWS error code of a ClientError, or "" for any other exception.

    An answer without a body has the HTTP status as its code (`404`).
    """
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_condition_failed(error: BaseException) -> bool:
    """Tells whether DynamoDB refused a write because its condition is false."""
    return error_code(error) == CONDITION_FAILED


def is_transient(error: BaseException) -> bool:
    """Tells whether the same call may succeed later: a conflict, throttling, or a fault of the service or the network."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error_code(error) in _TRANSIENT_CODES or status >= 500 or status == 429
    if isinstance(error, Boto3Error) and error.__context__ is not None:
        return is_transient(error.__context__)
    return isinstance(error, _TRANSIENT_ERRORS)


@dataclass(frozen=True)
class Backoff:
    """The total time of repetitions and the pauses between them, in seconds. Pauses double from `first` to `longest`."""

    seconds: float
    first: float
    longest: float


def retry(
    call: Callable[[], T],
    backoff: Backoff,
    *,
    retryable: Callable[[BaseException], bool] = is_transient,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Returns the call's result; repeats the call after a retryable AWS error, for at most `backoff.seconds`.

    Each pause is shortened by a random part of up to a half: calls throttled together must not come back together.
    Neither the sum of the pauses nor the time until the last repetition exceeds `backoff.seconds`.
    Both are checked, because a `sleep` need not follow the real clock.

    Raises the last error of the call, and what `sleep` raises.
    """
    deadline, pause, paused = time.monotonic() + backoff.seconds, backoff.first, 0.0
    while True:
        try:
            return call()
        except AwsError as error:
            if not retryable(error) or paused + pause > backoff.seconds or time.monotonic() + pause > deadline:
                raise
        spread = pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        sleep(spread)
        paused, pause = paused + spread, min(pause * 2, backoff.longest)


def checked_sleep(check: Callable[[], None]) -> Callable[[float], None]:
    """Returns a `sleep` for `retry` that calls `check` every quarter of a second; `check` may raise to end the wait."""

    def sleep(seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            check()
            time.sleep(min(left, _SLICE_SECONDS))
        check()

    return sleep
