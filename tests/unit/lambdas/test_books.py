"""The books of a publish, against what a bucket holds."""

from typing import Any

from contracts.manifest import ASSET_GRACE_MS, Manifest, ManifestEntry
from lambdas.record_sync.books import check


def entry(**changes: Any) -> ManifestEntry:
    base = {"md5": "a", "size": 1, "content_type": "text/html", "cache_control": "x"}
    return ManifestEntry.model_validate({**base, **changes})


def test_drift_is_what_is_missing_changed_or_nobodys() -> None:
    files = {"same": entry(), "gone": entry(), "changed": entry()}
    books = check(
        Manifest(client_id="c", deployment_id="d", created_at=0, files=files),
        {"same": ("a", 1), "changed": ("b", 1), "new": ("z", 9)},
        now=0,
    )
    assert books.drift == ["changed", "gone", "new"]
    assert books.manifest.reconcile


def test_a_retired_asset_is_due_after_its_grace() -> None:
    files = {"old": entry(retired_at=0), "young": entry(retired_at=1)}
    manifest = Manifest(client_id="c", deployment_id="d", created_at=0, files=files)
    books = check(manifest, {"old": ("a", 1), "young": ("a", 1)}, now=ASSET_GRACE_MS)
    assert (books.expiring, books.due, books.drift) == (2, 1, [])
    assert books.manifest.files["old"].due
    assert not books.manifest.files["young"].due
