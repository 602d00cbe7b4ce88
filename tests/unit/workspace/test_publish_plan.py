"""What a publish decides to do."""

import hashlib
from pathlib import Path

import pytest
from workspace.publish.content import IMMUTABLE, LocalFile, cache_control, content_type, references, scan
from workspace.publish.execute import deployment_id
from workspace.publish.plan import Listed, entry_of, make_plan, needs_listing

from contracts.manifest import Manifest, ManifestEntry

NOW = 1_000


def file(key: str, text: str = "x") -> LocalFile:
    md5 = hashlib.md5(text.encode()).hexdigest()
    return LocalFile(key, Path(key), md5, len(text), content_type(key), cache_control(key))


def books(*files: LocalFile, reconcile: bool = False, also: dict[str, ManifestEntry] | None = None) -> Manifest:
    live = {f.key: entry_of(f, f.md5) for f in files} | (also or {})
    return Manifest(client_id="amelia", deployment_id="d", created_at=1, reconcile=reconcile, files=live)


def keys(phases: tuple[tuple[LocalFile, ...], ...]) -> list[list[str]]:
    return [[f.key for f in phase] for phase in phases]


def test_pages_go_after_what_they_load_and_the_root_page_last() -> None:
    files = [file(k) for k in ("index.html", "about/index.html", "a.html", "robots.txt", "_astro/x.1.css")]
    plan = make_plan(files, None, {}, NOW)
    assert keys(plan.phases) == [["_astro/x.1.css"], ["robots.txt"], ["a.html", "about/index.html"], ["index.html"]]


def test_only_what_differs_is_sent() -> None:
    files = [file("index.html", "new"), file("a.html"), file("b.css")]
    old_type = entry_of(file("b.css"), None).model_copy(update={"content_type": "text/plain"})
    plan = make_plan(files, books(file("index.html", "old"), file("a.html"), also={"b.css": old_type}), None, NOW)
    assert keys(plan.phases) == [[], ["b.css"], [], ["index.html"]]
    assert plan.unchanged == 1 and plan.deletes == ()


def test_a_hashed_asset_retires_then_is_deleted_when_due_and_may_come_back() -> None:
    asset, page = file("_astro/x.1.js"), file("index.html")
    first = make_plan([page], books(asset, page), None, NOW)
    assert first.deletes == () and first.settled[asset.key].retired_at == NOW
    retired = first.settled[asset.key]
    later = make_plan([page], books(page, also={asset.key: retired}), None, NOW + 5)
    assert later.deletes == () and asset.key not in later.settled
    due = retired.model_copy(update={"due": True})
    assert make_plan([page], books(page, also={asset.key: due}), None, NOW).deletes == (asset.key,)
    back = make_plan([page, asset], books(page, also={asset.key: due}), None, NOW)
    assert back.deletes == () and not any(back.phases)
    assert back.settled[asset.key].retired_at is None and not back.settled[asset.key].due


def test_other_files_that_are_gone_are_deleted() -> None:
    assert make_plan([file("index.html")], books(file("index.html"), file("old.html")), None, NOW).deletes == (
        "old.html",
    )


@pytest.mark.parametrize("manifest", [None, books(file("index.html"), file("gone.txt"), reconcile=True)])
def test_without_trusted_books_the_bucket_counts(manifest: Manifest | None) -> None:
    assert needs_listing(manifest)
    page, missing = file("index.html"), file("gone.txt")
    listing = {page.key: Listed(page.md5, page.size), "stray.txt": Listed("0" * 32, 4)}
    plan = make_plan([page, missing], manifest, listing, NOW)
    assert keys(plan.phases) == [[], ["gone.txt"], [], []]
    assert plan.deletes == ("stray.txt",) and plan.unchanged == 1


def test_an_object_changed_behind_the_books_is_repaired() -> None:
    page = file("index.html")
    plan = make_plan([page], books(page, reconcile=True), {page.key: Listed("f" * 32, 9)}, NOW)
    assert keys(plan.phases)[3] == ["index.html"]


def test_headers_by_kind() -> None:
    assert content_type("a/index.html") == "text/html; charset=utf-8"
    assert content_type("x.AVIF") == "image/avif"
    assert content_type("site.webmanifest").startswith("application/manifest+json")
    assert content_type("unknown.bin") == "application/octet-stream"
    assert cache_control("_astro/x.js") == IMMUTABLE
    assert "must-revalidate" in cache_control("index.html")


def test_a_scan_follows_no_links(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key")
    dist = tmp_path / "dist"
    (dist / "a").mkdir(parents=True)
    (dist / "a" / "x.txt").write_text("x")
    (dist / "leak.txt").symlink_to(tmp_path / "secret")
    (dist / "up").symlink_to(tmp_path)
    assert [f.key for f in scan(dist)] == ["a/x.txt"]


def test_references_of_a_page() -> None:
    html = b'<link href="/_astro/a.1.css"><img srcset="/base/_astro/b%20c.2.webp 1x, /_astro/d.png?v=1 2x">'
    assert references(html) == {"_astro/a.1.css", "_astro/b c.2.webp", "_astro/d.png"}


def test_deployment_ids_sort_by_time() -> None:
    times = [1_700_000_000_000, 1_700_000_000_007, 1_700_000_001_000, 1_800_000_000_000]
    ids = [deployment_id(t, "f" * 40 if i % 2 else "0" * 40) for i, t in enumerate(times)]
    assert ids == sorted(ids) and len(set(ids)) == 4
