"""The target of a publish: the site's buckets, the lease owner's name, and the guard that may stop the publish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sitewright.contracts.names import manifest_key

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client

    from sitewright.publishing.site_files import LocalFile, SentObject, StoredFile


class SmallObjectClient(Protocol):
    """Puts, copies and checks small objects faster than botocore. `CrtClient` implements it.

    Each method sends one request and never repeats it. All raise ClientError and BotoCoreError; `put` also raises OSError.
    """

    def put(self, bucket: str, file: LocalFile) -> SentObject:
        """Uploads a file."""

    def copy(self, bucket: str, file: StoredFile) -> SentObject:
        """Copies an older version of an object over its newest one."""

    def head(self, bucket: str, file: StoredFile) -> None:
        """Checks that a version of an object is stored. Raises ClientError if it is not."""


def small_object_client(
    s3: S3Client, credentials: Callable[[], Credentials | None], ca_bundle: str | None = None
) -> SmallObjectClient:
    """Creates a CrtClient for the endpoint and region of `s3`.

    Args:
        s3: provides endpoint and region.
        credentials: called before each request.
        ca_bundle: file with the trusted certificates; None for the system's.
    """
    from sitewright.publishing.objects.crt_client import CrtClient  # noqa: PLC0415 - awscrt takes 50 ms to load, and only a publish needs it

    return CrtClient(s3.meta.endpoint_url, s3.meta.region_name, credentials, ca_bundle)


class Guard(Protocol):
    """Decides whether this publisher may still write. A workspace implements it with its claim on the session."""

    def verify(self, *, allow_superseded: bool = False) -> object:
        """Verifies with a remote check that this publisher may write.

        With `allow_superseded` a newer command does not forbid it, because an interrupted publish has to write the manifest.
        Raises PublishStopped.
        """

    def check_stop(self) -> None:
        """Raises PublishStopped if the publish has to end. Sends no request."""


class NoGuard:
    """The guard of a publisher outside of any session, such as a rollback: only the lease restricts it."""

    def verify(self, *, allow_superseded: bool = False) -> None:
        """Never raises."""

    def check_stop(self) -> None:
        """Never raises."""


@dataclass(frozen=True)
class PublishTarget:
    """One client's site, as one publisher sees it."""

    s3: S3Client
    bucket: str
    """The site's bucket."""
    artifacts_bucket: str
    """The bucket of the manifests."""
    client_id: str
    lease_owner: str
    """The name under which the lease is taken. A publisher of the same name takes the lease over without waiting."""
    guard: Guard
    log: Callable[..., None] = field(repr=False)
    """`log("message", key=value)`."""
    progress: Callable[[str], None] = field(repr=False)
    """Receives a line of text about the current work, for a person."""
    small_objects: SmallObjectClient | None = field(default=None, repr=False)
    """Sends small objects; None: `s3` sends them too."""

    @property
    def manifest_key(self) -> str:
        """Key of the live manifest in `artifacts_bucket`."""
        return manifest_key(self.client_id)
