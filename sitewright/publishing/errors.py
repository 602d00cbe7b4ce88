"""What can go wrong between a publish and S3, and how long a fault that passes is sat out."""

import random
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TypeVar

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as ConnectError

PATIENCE_SECONDS = 45.0
"""A request is repeated for so long, besides botocore's own four repetitions. These come within seconds, and all requests
of a client share one quota of them (botocore, `retries/quota.py`): a burst of SlowDown for 16 threads uses it up."""

_NAMED = 5

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0

_PASSING = {
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
}

GONE = {"404", "NoSuchVersion", "NoSuchKey", "405", "MethodNotAllowed", "InvalidArgument"}
"""What S3 says of a version that is not stored. HeadObject's answer has no body, so its code is the status: 404, and 405 for a
delete marker. `InvalidArgument` is said of an id that the bucket never gave out.
"""

AwsError = (ClientError, BotoCoreError, Boto3Error)
"""What boto3 raises; Boto3Error comes from its transfer manager."""

T = TypeVar("T")


class PublishError(Exception):
    """S3 refused or did not answer, a file could not be read, or the publish may not be."""

    def __init__(self, bucket: str, key: str, code: str, text: str) -> None:
        super().__init__(text)
        self.bucket, self.key, self.code = bucket, key, code

    @classmethod
    def of(cls, bucket: str, key: str, error: Exception) -> "PublishError":
        """The error of a request for an object, or of the file that it should have become."""
        code, text = type(error).__name__, str(error)
        if isinstance(error, ClientError):
            code = str(error.response.get("Error", {}).get("Code", code))
            text = str(error.response.get("Error", {}).get("Message", text))
        return cls(bucket, key, code, f"s3://{bucket}/{key}: {code}: {text}")

    @property
    def is_final(self) -> bool:
        """Whether S3 said no, and will say so again."""
        return isinstance(self.__cause__, ClientError) and not is_passing(self.__cause__)


class SiteTaken(PublishError):
    """Another publisher has the site, or took it over from this one."""

    is_final = False


class SiteIs(StrEnum):
    """What a publish that could not be finished has made of the site."""

    UNTOUCHED = "untouched"
    PUT_BACK = "put back"
    """Changed, and then made what the deployment before it was."""
    MIXED = "mixed"
    """Files of two deployments: what was live before is not stored as a whole either, or was none by the books."""


class NotRestorable(PublishError):
    """An older deployment that cannot be made live again, or an older version that cannot be copied."""

    is_final = True
    site_is = SiteIs.UNTOUCHED
    before: str | None = None
    """The deployment that was live before; None if nothing was changed, or the books named none."""
    missing: tuple[str, ...] = ()
    """What could not be put back, sorted: it is not stored any more."""


class NotPutBack(PublishError):
    """Something failed while what was live before was put back."""

    before: str | None = None
    """As of NotRestorable."""


def names(keys: Sequence[str]) -> str:
    """The first of some keys and how many more there are, for an error's text."""
    rest = len(keys) - _NAMED
    return ", ".join(keys[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def code_of(error: BaseException) -> str:
    """S3's error code, or the status (`304`) where an answer has no body."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return code_of(error) in _PASSING or status >= 500 or status == 429
    if isinstance(error, Boto3Error) and error.__context__ is not None:
        return is_passing(error.__context__)
    return isinstance(error, (ConnectError, HTTPClientError, IncompleteReadError))


def patiently(request: Callable[[], T], check: Callable[[], None]) -> T:
    """The request's answer. Faults that pass are sat out; `check` is called in between and may raise.

    Raises what the request raises.
    """
    until, pause = time.monotonic() + PATIENCE_SECONDS, _FIRST_PAUSE
    while True:
        try:
            return request()
        except AwsError as error:
            if not is_passing(error) or time.monotonic() + pause > until:
                raise
        # Spread: what was slowed down together must not come back together.
        _sleep(pause * random.uniform(0.5, 1.0), check)  # noqa: S311 - no secret
        pause = min(pause * 2, _LONGEST_PAUSE)


def _sleep(seconds: float, check: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        check()
        time.sleep(min(left, 0.25))
    check()
