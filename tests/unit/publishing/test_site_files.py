"""The files of a build as objects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitewright.publishing.manifest import Manifest, ManifestEntry
from sitewright.publishing.plan import ListedObject, make_plan
from sitewright.publishing.site_files import content_type
from tests.unit.publishing.test_plan import carried_out, file


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("site.webmanifest", "application/manifest+json; charset=utf-8"),
        ("p.avif", "image/avif"),
        ("sitemap-0.xml", "application/xml; charset=utf-8"),
        ("CNAME", "application/octet-stream"),
        (".well-known/security", "application/octet-stream"),
        ("v1.2/LICENSE", "application/octet-stream"),
    ],
)
def test_types(key: str, kind: str) -> None:
    assert content_type(key) == kind


KEYS = st.sampled_from(["index.html", "a.html", "x.txt", "_astro/a.1.js", "_astro/b.2.css"])
STATES = st.dictionaries(KEYS, st.sampled_from("123"))


@given(STATES, STATES, STATES, st.sets(KEYS), st.sets(KEYS))
def test_drift_is_healed_and_only_planned_keys_change(
    recorded: dict[str, str], there: dict[str, str], new: dict[str, str], retired: set[str], foreign: set[str]
) -> None:
    """For any bucket and any manifest, the bucket afterwards contains the build and retired assets."""
    listing = {k: ListedObject(file(k, text).md5, len(text)) for k, text in there.items()}
    entries = {
        k: ManifestEntry(
            md5=file(k, text).md5,
            size=len(text),
            content_type="text/plain" if k in foreign else content_type(k),
            cache_control=file(k).cache_control,
            retired_at=1 if k in retired else None,
            version_id=f"v-{k}",
        )
        for k, text in recorded.items()
    }
    manifest = Manifest(
        client_id="amelia", bucket="site", deployment_id="d", created_at=1, reconcile=True, files=entries
    )
    files = [file(k, text) for k, text in new.items()]
    plan = make_plan(files, manifest, listing, 5)
    sent = {f.key for phase in plan.phases for f in phase}
    live = carried_out(plan)
    assert {heal.file.key: heal.file.md5 for heal in plan.heals} == {
        k: file(k, text).md5
        for k, text in recorded.items()
        if k.startswith("_astro/") and k not in new and there.get(k) != text
    }
    assert sent <= set(new) and set(plan.deletes) <= set(there) - set(new)
    assert all(k.startswith("_astro/") and live[k].retired_at is not None for k in set(live) - set(new))
    for f in files:
        assert (live[f.key].md5, live[f.key].content_type, live[f.key].retired_at) == (f.md5, f.content_type, None)
        agrees = there.get(f.key) == recorded.get(f.key) == new[f.key] and f.key not in foreign
        assert (f.key not in sent) == agrees
        assert agrees == (live[f.key].version_id is not None)
