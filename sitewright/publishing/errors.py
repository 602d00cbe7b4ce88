"""What can go wrong between a publish and S3, and how long a fault that passes is sat out."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TypeVar

from botocore.exceptions import ClientError

from sitewright.retry import Backoff, checked_sleep, is_transient, retry

PATIENCE_SECONDS = 45.0
"""A request is repeated for so long, besides botocore's own four repetitions. These come within seconds, and all requests
of a client share one quota of them (botocore, `retries/quota.py`): a burst of SlowDown for 16 threads uses it up."""

_NAMED = 5

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0

GONE = {"404", "NoSuchVersion", "NoSuchKey", "405", "MethodNotAllowed", "InvalidArgument"}
"""What S3 says of a version that is not stored. HeadObject's answer has no body, so its code is the status: 404, and 405 for a
delete marker. `InvalidArgument` is said of an id that the bucket never gave out.
"""

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
        return isinstance(self.__cause__, ClientError) and not is_transient(self.__cause__)


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


def patiently(request: Callable[[], T], check: Callable[[], None]) -> T:
    """Returns the request's answer, repeated after a transient fault; `check` is called in between and may raise.

    Raises what the request raises.
    """
    backoff = Backoff(PATIENCE_SECONDS, _FIRST_PAUSE, _LONGEST_PAUSE)
    return retry(request, backoff, sleep=lambda seconds: _sleep(seconds, check))


def _sleep(seconds: float, check: Callable[[], None]) -> None:
    checked_sleep(check)(seconds)
