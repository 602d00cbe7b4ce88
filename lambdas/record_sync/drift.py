"""Compares the bucket with the manifest and decides what is due. Pure."""

from dataclasses import dataclass

from sitewright.publishing.manifest import ASSET_GRACE_MS, Manifest


@dataclass(frozen=True)
class Books:
    """What the bookkeeping found, and the manifest as it should be from now on."""

    manifest: Manifest
    drift: list[str]
    """Keys that are missing, that nobody published, or whose object is another than the manifest's."""
    expiring: int
    due: int
    files: int
    bytes: int


def check(manifest: Manifest, bucket: dict[str, tuple[str, int]], needed_since: int | None) -> Books:
    """Compares the books with the bucket.

    An asset is due when no open page and no rollback can need it: it retired before the oldest deployment that is kept, and
    ASSET_GRACE_MS before that one's record, which is written after the publish, at most a run's length.

    Args:
        manifest: the books.
        bucket: key → (ETag without quotes, size in bytes).
        needed_since: when the record of the oldest deployment that is kept was written (ms); None while all are kept.
    """
    drift = [key for key in bucket if key not in manifest.files]
    files = {}
    expiring = due = 0
    for key, entry in manifest.files.items():
        found = bucket.get(key)
        if found is None or found[1] != entry.size or found[0] != (entry.etag or entry.md5):
            drift.append(key)
        if entry.retired_at is not None:
            expiring += 1
            is_due = needed_since is not None and needed_since - entry.retired_at >= ASSET_GRACE_MS
            due += is_due
            files[key] = entry.model_copy(update={"due": is_due})
        else:
            files[key] = entry
    return Books(
        manifest=manifest.model_copy(update={"files": files, "reconcile": bool(drift)}),
        drift=sorted(drift),
        expiring=expiring,
        due=due,
        files=len(bucket),
        bytes=sum(size for _, size in bucket.values()),
    )
