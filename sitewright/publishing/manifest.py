"""The manifest: what the site bucket holds, by our books. Written by the publish, checked by record_sync."""

import gzip
import zlib
from typing import Self

from sitewright.contracts.base import Contract

ASSET_GRACE_MS = 24 * 60 * 60 * 1000
"""How long a hashed asset stays at least after the last page that used it is gone: open pages still load it. It stays longer
while a deployment that is kept has it."""


LEASE_SECONDS = 60
"""How long a publish may hold the site without a sign of life."""


class ManifestEntry(Contract):
    """One object of the site."""

    md5: str
    """Hex digest of the content; equals S3's ETag of a single-part upload."""
    size: int
    content_type: str
    cache_control: str
    etag: str | None = None
    """The object's ETag as S3 returned it, without quotes (differs from md5 for multipart uploads)."""
    version_id: str | None = None
    """The object's version: what a rollback copies. None if the object came into the bucket by other hands."""
    retired_at: int | None = None
    """For an asset that the newest build does not have: since when (ms)."""
    due: bool = False
    """Set by record_sync once neither an open page nor a rollback can need it: the next publish deletes it."""


class Manifest(Contract):
    """All objects of a site by key, and the deployment that made it so."""

    client_id: str
    bucket: str
    """Whose objects these are: a site whose `domain` changed has another bucket, and that one is empty."""
    deployment_id: str
    commit: str | None = None
    complete: bool = True
    """False after a partial publish, and one that broke off: some files of another build are live beside its own, or are missing."""
    created_at: int
    reconcile: bool = False
    """Set by record_sync when the bucket is not what the manifest says: the next publish lists the bucket, repairs it."""
    holder: str | None = None
    """Who is publishing at this moment: a session's id, or `rollback/` and digits; None when nobody is. Taken and given
    back by conditional writes, so that one publishes after the other. Ends by itself if the manifest is not written again within
    LEASE_SECONDS; a session's own new workspace need not wait, the claim has shut out the old one."""
    files: dict[str, ManifestEntry] = {}

    def to_bytes(self) -> bytes:
        """The manifest as it is stored: JSON, gzipped (20,001 files: 5 MB of text)."""
        return gzip.compress(self.to_json().encode(), compresslevel=1, mtime=0)

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """A stored manifest. Raises ValueError (no manifest; pydantic's ValidationError is one)."""
        try:
            return cls.model_validate_json(gzip.decompress(stored))
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"the manifest cannot be unpacked: {error}") from error
