"""Compares the manifest with the bucket: drift and due assets."""

from typing import Any

from sitewright.publishing.after_publish.drift import compare
from sitewright.publishing.manifest import ASSET_GRACE_MS, Manifest, ManifestEntry
from sitewright.publishing.site_files import ListedObject


def entry(**changes: Any) -> ManifestEntry:
    base = {"md5": "a", "size": 1, "content_type": "text/html", "cache_control": "x"}
    return ManifestEntry.model_validate({**base, **changes})


def test_drift_is_missing_changed_and_unknown_objects() -> None:
    files = {"same": entry(), "gone": entry(), "changed": entry()}
    report = compare(
        Manifest(client_id="c", bucket="site", deployment_id="d", created_at=0, files=files),
        {"same": ListedObject("a", 1), "changed": ListedObject("b", 1), "new": ListedObject("z", 9)},
        None,
    )
    assert report.drift == ["changed", "gone", "new"]
    assert report.manifest.reconcile


def test_a_retired_asset_is_due_when_no_kept_deployment_needs_it() -> None:
    files = {"old": entry(retired_at=0), "young": entry(retired_at=1), "used": entry()}
    manifest = Manifest(client_id="c", bucket="site", deployment_id="d", created_at=0, files=files)
    bucket = dict.fromkeys(files, ListedObject("a", 1))
    report = compare(manifest, bucket, ASSET_GRACE_MS)
    assert (report.expiring, report.due, report.drift) == (2, 1, [])
    assert {key for key, found in report.manifest.files.items() if found.due} == {"old"}
    assert compare(manifest, bucket, None).due == 0, "while every deployment is kept, each may be gone back to"
    again = compare(report.manifest, bucket, None)
    assert again.due == 0 and not again.manifest.files["old"].due
