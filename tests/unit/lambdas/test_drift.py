"""The books of a publish, against what a bucket holds."""

from typing import Any

from lambdas.record_sync.drift import check
from sitewright.publishing.manifest import ASSET_GRACE_MS, Manifest, ManifestEntry


def entry(**changes: Any) -> ManifestEntry:
    base = {"md5": "a", "size": 1, "content_type": "text/html", "cache_control": "x"}
    return ManifestEntry.model_validate({**base, **changes})


def test_drift_is_what_is_missing_changed_or_nobodys() -> None:
    files = {"same": entry(), "gone": entry(), "changed": entry()}
    books = check(
        Manifest(client_id="c", bucket="site", deployment_id="d", created_at=0, files=files),
        {"same": ("a", 1), "changed": ("b", 1), "new": ("z", 9)},
        None,
    )
    assert books.drift == ["changed", "gone", "new"]
    assert books.manifest.reconcile


def test_a_retired_asset_is_due_when_no_kept_deployment_needs_it() -> None:
    files = {"old": entry(retired_at=0), "young": entry(retired_at=1), "used": entry()}
    manifest = Manifest(client_id="c", bucket="site", deployment_id="d", created_at=0, files=files)
    bucket = dict.fromkeys(files, ("a", 1))
    books = check(manifest, bucket, ASSET_GRACE_MS)
    assert (books.expiring, books.due, books.drift) == (2, 1, [])
    assert {key for key, found in books.manifest.files.items() if found.due} == {"old"}
    assert check(manifest, bucket, None).due == 0, "while every deployment is kept, each may be gone back to"
    again = check(books.manifest, bucket, None)
    assert again.due == 0 and not again.manifest.files["old"].due
