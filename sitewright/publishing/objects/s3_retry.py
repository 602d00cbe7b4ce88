"""Repeats S3 requests after transient errors."""

from collections.abc import Callable
from typing import TypeVar

from boto3.exceptions import Boto3Error
from botocore.exceptions import CredentialRetrievalError, MetadataRetrievalError

from sitewright.retry import Backoff, checked_sleep, is_transient, retry

RETRY_SECONDS = 45.0
"""How long a request is repeated, in addition to botocore's own four repetitions. Those come within seconds.

All requests of a client share one quota of them (botocore, `retries/quota.py`). One burst of SlowDown for 16 threads uses
it up.
"""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0

_NO_CREDENTIALS = (CredentialRetrievalError, MetadataRetrievalError)

T = TypeVar("T")


def is_transient_s3(error: BaseException) -> bool:
    """Tells whether the same S3 request may succeed later.

    Unlike `is_transient`, it counts missing credentials as final: an operator with a wrong profile gets the error at once.
    """
    if isinstance(error, Boto3Error) and error.__context__ is not None:
        return is_transient_s3(error.__context__)
    return is_transient(error) and not isinstance(error, _NO_CREDENTIALS)


def retry_s3(request: Callable[[], T], check: Callable[[], None]) -> T:
    """Returns the request's answer; repeats the request after transient errors and calls `check` during the pauses.

    Raises what the request raises, and what `check` raises.
    """
    backoff = Backoff(RETRY_SECONDS, _FIRST_PAUSE, _LONGEST_PAUSE)
    return retry(request, backoff, retryable=is_transient_s3, sleep=checked_sleep(check))
