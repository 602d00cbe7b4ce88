"""Repeats S3 requests after transient errors."""

from collections.abc import Callable
from typing import TypeVar

from sitewright.retry import Backoff, checked_sleep, retry

RETRY_SECONDS = 45.0
"""How long a request is repeated, in addition to botocore's own four repetitions. Those come within seconds, and all requests
of a client share one quota of them (botocore, `retries/quota.py`): one burst of SlowDown for 16 threads uses it up."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0

T = TypeVar("T")


def retry_s3(request: Callable[[], T], check: Callable[[], None]) -> T:
    """Returns the request's answer; repeats the request after transient errors and calls `check` during the pauses.

    Raises what the request raises, and what `check` raises.
    """
    return retry(request, Backoff(RETRY_SECONDS, _FIRST_PAUSE, _LONGEST_PAUSE), sleep=checked_sleep(check))
