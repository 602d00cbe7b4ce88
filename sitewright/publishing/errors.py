"""The exceptions of a publish, and the S3 error codes behind them."""

from collections.abc import Sequence
from enum import StrEnum

from botocore.exceptions import ClientError

from sitewright.contracts.error_codes import ErrorCode
from sitewright.retry import is_transient

VERSION_GONE = {"404", "NoSuchVersion", "NoSuchKey", "405", "MethodNotAllowed", "InvalidArgument"}
"""Codes for a version that is not stored. HeadObject's answer has no body, so its code is the status: 404, and 405 for a
delete marker. S3 answers `InvalidArgument` for an id that the bucket never gave out.
"""

_KEYS_SHOWN = 5


class PublishStopped(Exception):
    """Base of the exceptions with which a guard ends a publish from outside."""

    may_write_manifest = True
    """Whether the publisher may still write the manifest. It may not once another workspace has the session's claim."""


class LiveMoved(Exception):
    """A commit is live that the build does not contain. Nothing was changed: to publish would take that commit back."""

    def __init__(self, commit: str) -> None:
        super().__init__(f"{commit} is live, and the build does not contain it")
        self.commit = commit


class DistRefused(Exception):
    """A build has a file that must not be published, or too many. Nothing was sent. The text names file and limit."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class PublishError(Exception):
    """S3 refused a request or did not answer it, a file could not be read, or the publish is not allowed."""

    def __init__(self, bucket: str, key: str, code: str, text: str) -> None:
        super().__init__(text)
        self.bucket, self.key, self.code = bucket, key, code

    @classmethod
    def of(cls, bucket: str, key: str, error: Exception) -> "PublishError":
        """Describes the error of a request for an object, or of reading the object's file."""
        code, text = type(error).__name__, str(error)
        if isinstance(error, ClientError):
            code = str(error.response.get("Error", {}).get("Code", code))
            text = str(error.response.get("Error", {}).get("Message", text))
        return cls(bucket, key, code, f"s3://{bucket}/{key}: {code}: {text}")

    @property
    def is_final(self) -> bool:
        """Whether S3 refused the request and will refuse it again."""
        return isinstance(self.__cause__, ClientError) and not is_transient(self.__cause__)


class LeaseUnavailable(PublishError):
    """Another publisher has the site's lease, or took it over from this one."""

    is_final = False


class SiteState(StrEnum):
    """The state in which a failed rollback left the site."""

    UNCHANGED = "unchanged"
    REVERTED = "reverted"
    """The site was changed, and then made equal to the previously live deployment again."""
    MIXED = "mixed"
    """The site contains files of two deployments: the previously live one was incomplete, or is not fully stored any more."""


class NotRestorable(PublishError):
    """An older deployment cannot be made live again, or an older version cannot be copied."""

    is_final = True
    site_state = SiteState.UNCHANGED
    before: str | None = None
    """The previously live deployment; None if nothing was changed, or the manifest named none."""
    missing: tuple[str, ...] = ()
    """Keys that could not be reverted because their versions are not stored any more, sorted."""


class RevertFailed(PublishError):
    """A request failed while the site was reverted to the previously live deployment."""

    before: str | None = None
    """As in NotRestorable."""


def shorten(keys: Sequence[str]) -> str:
    """Names the first keys and counts the others, for an error's text."""
    more = len(keys) - _KEYS_SHOWN
    return ", ".join(keys[:_KEYS_SHOWN]) + (f" and {more} more" if more > 0 else "")
