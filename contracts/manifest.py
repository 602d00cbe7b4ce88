"""The manifest: what the site bucket holds, by our books. Written by the publish, checked by record_sync."""

from contracts.base import Contract

ASSET_GRACE_MS = 24 * 60 * 60 * 1000
"""How long a hashed asset stays after the last page that used it is gone: open pages still load it."""


class ManifestEntry(Contract):
    """One object of the site."""

    md5: str
    """Hex digest of the content; equals S3's ETag of a single-part upload."""
    size: int
    content_type: str
    cache_control: str
    etag: str | None = None
    """The object's ETag as S3 returned it, without quotes (differs from md5 for multipart uploads)."""
    retired_at: int | None = None
    """For an asset that the newest build does not have: since when (ms)."""
    due: bool = False
    """Set by record_sync once the grace is over: the next publish deletes it."""


class Manifest(Contract):
    """All objects of a site by key, and the deployment that made it so."""

    client_id: str
    deployment_id: str
    commit: str | None = None
    complete: bool = True
    """False after a partial publish: some files of an older build are live beside newer ones."""
    created_at: int
    reconcile: bool = False
    """Set by record_sync when the bucket is not what the manifest says: the next publish lists the bucket, repairs it."""
    files: dict[str, ManifestEntry] = {}
