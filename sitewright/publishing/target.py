"""What a publish works with: a site's two buckets, in whose name it publishes, and what may stop it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sitewright.contracts.names import manifest_key

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client
    from workspace.step_context import Fence, StepContext

    from sitewright.publishing.site_files import LocalFile, Sent, StoredFile


class Quick(Protocol):
    """A way to put, copy or look for a small object that is quicker than botocore's. `crt.CrtClient` is one.

    One request, which is not repeated. Raises ClientError, BotoCoreError; `put` OSError too.
    """

    def put(self, bucket: str, file: LocalFile) -> Sent:
        """Sends a file."""

    def copy(self, bucket: str, file: StoredFile) -> Sent:
        """Copies an older version of an object over its newest one."""

    def head(self, bucket: str, file: StoredFile) -> None:
        """Asks for a version: no error, it is there."""


def quick_client(s3: S3Client, credentials: Callable[[], Credentials | None], ca_bundle: str | None = None) -> Quick:
    """The client in C, to where `s3` goes.

    Args:
        s3: has endpoint and region.
        credentials: asked for before each request.
        ca_bundle: file with the certificates that are trusted; None for the system's.
    """
    from sitewright.publishing.objects.crt_client import CrtClient  # noqa: PLC0415 - loading it takes 50 ms, which only a publish needs

    return CrtClient(s3.meta.endpoint_url, s3.meta.region_name, credentials, ca_bundle)


class Open:
    """The fence of who answers to no session: a rollback."""

    def verify(self, *, any_generation: bool = False) -> None:
        """Nothing shuts it out but the manifest's holder."""

    def check_stop(self) -> None:
        """Nothing stops it but a signal."""


@dataclass(frozen=True)
class Site:
    """One client's site, as one publisher sees it."""

    s3: S3Client
    bucket: str
    """Holds the site itself."""
    artifacts: str
    """Holds the manifests."""
    client_id: str
    holder: str
    """In whose name the site is taken. Who has the same may take it over at once."""
    guard: Fence
    log: Callable[..., None] = field(repr=False)
    progress: Callable[[str], None] = field(repr=False)
    quick: Quick | None = field(default=None, repr=False)
    """For small objects; None: by `s3` as well."""

    @property
    def manifest_key(self) -> str:
        """Where the live manifest is, in the bucket `artifacts`."""
        return manifest_key(self.client_id)

    @classmethod
    def of(cls, ctx: StepContext) -> Site:
        """The site of a step, taken in the name of its session."""
        return cls(
            s3=ctx.aws.s3,
            bucket=ctx.settings.site_bucket,
            artifacts=ctx.settings.artifacts_bucket,
            client_id=ctx.settings.client_id,
            holder=ctx.session.session_id,
            guard=ctx.fence,
            log=ctx.log,
            progress=ctx.progress,
            quick=ctx.aws.quick,
        )
