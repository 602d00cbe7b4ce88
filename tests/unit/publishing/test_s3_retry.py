"""The S3 errors that a publish or rollback repeats, and those that end it at once."""

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import CredentialRetrievalError, EndpointConnectionError, NoCredentialsError

from sitewright.publishing.objects.s3_retry import is_transient_s3, retry_s3


def never() -> None:
    raise AssertionError("paused")


@pytest.mark.parametrize(
    "error",
    [CredentialRetrievalError(provider="container", error_msg="timed out"), NoCredentialsError()],
    ids=lambda error: type(error).__name__,
)
def test_missing_credentials_fail_at_once(error: Exception) -> None:
    requests = []

    def request() -> None:
        requests.append(1)
        raise error

    with pytest.raises(type(error)):
        retry_s3(request, check=never)
    assert len(requests) == 1


def test_missing_credentials_of_the_transfer_manager_are_final_too() -> None:
    error = S3UploadFailedError("x")
    error.__context__ = CredentialRetrievalError(provider="container", error_msg="timed out")
    assert not is_transient_s3(error)


def test_a_lost_connection_is_repeated() -> None:
    errors: list[Exception] = [EndpointConnectionError(endpoint_url="https://x")]

    def request() -> str:
        if errors:
            raise errors.pop()
        return "done"

    assert retry_s3(request, check=lambda: None) == "done"
