"""Compares the bucket with the manifest and decides which retired assets are due. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from sitewright.publishing.manifest import ASSET_GRACE_MS, Manifest
from sitewright.publishing.site_files import ListedObject


@dataclass(frozen=True)
class DriftReport:
    """The result of a comparison."""

    manifest: Manifest
    """The manifest to store from now on."""
    drift: list[str]
    """Keys that are missing, that no publish wrote, or whose object differs from the manifest's entry. Sorted."""
    expiring: int
    """Retired assets."""
    due: int
    files: int
    bytes: int


def compare(manifest: Manifest, objects: Mapping[str, ListedObject], needed_since: int | None) -> DriftReport:
    """Compares the manifest with the bucket's objects.

    An asset is due when neither an open page nor a rollback can need it. This is the case if it retired at least
    ASSET_GRACE_MS before the oldest kept deployment was recorded. That record is written after the publish, at most one
    run later.

    Args:
        manifest: the live manifest.
        objects: the bucket's objects by key.
        needed_since: when the oldest kept deployment was recorded (ms); None while all deployments are kept.
    """
    drift = [key for key in objects if key not in manifest.files]
    files = {}
    expiring = due = 0
    for key, entry in manifest.files.items():
        found = objects.get(key)
        if found is None or found.size != entry.size or found.etag != (entry.etag or entry.md5):
            drift.append(key)
        if entry.retired_at is not None:
            expiring += 1
            is_due = needed_since is not None and needed_since - entry.retired_at >= ASSET_GRACE_MS
            due += is_due
            files[key] = entry.model_copy(update={"due": is_due})
        else:
            files[key] = entry
    return DriftReport(
        manifest=manifest.model_copy(update={"files": files, "reconcile": bool(drift)}),
        drift=sorted(drift),
        expiring=expiring,
        due=due,
        files=len(objects),
        bytes=sum(found.size for found in objects.values()),
    )
