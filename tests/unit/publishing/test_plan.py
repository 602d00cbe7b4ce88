"""The plan of a publish."""

import hashlib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sitewright.publishing.dist_files import scan
from sitewright.publishing.manifest import Manifest, ManifestEntry
from sitewright.publishing.plan import ListedObject, Plan, entry_of, make_plan, needs_listing
from sitewright.publishing.publish_result import make_deployment_id
from sitewright.publishing.site_files import IMMUTABLE, LocalFile, cache_control, content_type, is_hashed, is_html

NOW = 1_000


def file(key: str, text: str = "x") -> LocalFile:
    md5 = hashlib.md5(text.encode()).hexdigest()
    return LocalFile(key, key, md5, len(text), content_type(key), cache_control(key))


def manifest_of(*files: LocalFile, reconcile: bool = False, also: dict[str, ManifestEntry] | None = None) -> Manifest:
    live = {f.key: entry_of(f, f.md5) for f in files} | (also or {})
    return Manifest(client_id="amelia", bucket="site", deployment_id="d", created_at=1, reconcile=reconcile, files=live)


def keys(phases: tuple[tuple[LocalFile, ...], ...]) -> list[list[str]]:
    return [[f.key for f in phase] for phase in phases]


def test_the_second_key_of_a_flat_page_goes_out_and_away_with_the_pages() -> None:
    old = [file(k) for k in ("robots.txt", "about.html", "about", "index.html")]
    assert keys(make_plan(old, None, {}, NOW).phases)[1:4] == [["robots.txt"], [], ["about", "about.html"]]
    assert make_plan(old[3:], manifest_of(*old), None, NOW).deletes == ("about", "about.html", "robots.txt")


def test_pages_go_after_what_they_load_and_the_root_page_last() -> None:
    files = [file(k) for k in ("index.html", "about/index.html", "a.html", "robots.txt", "_astro/x.1.css")]
    plan = make_plan(files, None, {}, NOW)
    assert keys(plan.phases) == [
        ["_astro/x.1.css"],
        ["robots.txt"],
        [],
        ["a.html", "about/index.html"],
        [],
        ["index.html"],
    ]


def test_replaced_files_go_after_the_new_files_that_they_refer_to() -> None:
    old = manifest_of(file("site.css", "old"), file("a.html", "old"))
    plan = make_plan([file(k) for k in ("site.css", "z.png", "a.html", "z.html")], old, None, NOW)
    assert keys(plan.phases) == [[], ["z.png"], ["site.css"], ["z.html"], ["a.html"], []]


def test_only_what_differs_is_sent() -> None:
    files = [file("index.html", "new"), file("a.html"), file("b.css")]
    old_type = entry_of(file("b.css"), None).model_copy(update={"content_type": "text/plain"})
    plan = make_plan(files, manifest_of(file("index.html", "old"), file("a.html"), also={"b.css": old_type}), None, NOW)
    assert keys(plan.phases) == [[], [], ["b.css"], [], [], ["index.html"]]
    assert plan.deletes == ()


def test_a_hashed_asset_retires_then_is_deleted_when_due_and_may_come_back() -> None:
    asset, page = file("_astro/x.1.js"), file("index.html")
    first = make_plan([page], manifest_of(asset, page), None, NOW)
    assert first.deletes == () and first.settled[asset.key].retired_at == NOW
    retired = first.settled[asset.key]
    later = make_plan([page], manifest_of(page, also={asset.key: retired}), None, NOW + 5)
    assert later.deletes == () and asset.key not in later.settled
    due = retired.model_copy(update={"due": True})
    assert make_plan([page], manifest_of(page, also={asset.key: due}), None, NOW).deletes == (asset.key,)
    back = make_plan([page, asset], manifest_of(page, also={asset.key: due}), None, NOW)
    assert back.deletes == () and not any(back.phases)
    assert back.settled[asset.key].retired_at is None and not back.settled[asset.key].due


def test_other_files_that_the_build_lacks_are_deleted() -> None:
    assert make_plan([file("index.html")], manifest_of(file("index.html"), file("old.html")), None, NOW).deletes == (
        "old.html",
    )


def test_without_a_manifest_the_bucket_counts_and_all_files_are_sent() -> None:
    assert needs_listing(None)
    page, asset = file("index.html"), file("_astro/old.1.js")
    listing = {f.key: ListedObject(f.md5, f.size) for f in (page, asset)} | {"stray.txt": ListedObject("0" * 32, 4)}
    plan = make_plan([page], None, listing, NOW)
    assert keys(plan.phases) == [[], [], [], [], [], ["index.html"]]
    assert plan.deletes == ("stray.txt",) and plan.settled[asset.key].retired_at == NOW


def test_a_manifest_that_asks_for_a_reconcile_is_trusted_where_the_bucket_agrees() -> None:
    page, missing = file("index.html"), file("gone.txt")
    manifest = manifest_of(page, missing, reconcile=True)
    assert needs_listing(manifest)
    listing = {page.key: ListedObject(page.md5, page.size), "stray.txt": ListedObject("0" * 32, 4)}
    plan = make_plan([page, missing], manifest, listing, NOW)
    assert keys(plan.phases) == [[], ["gone.txt"], [], [], [], []]
    assert plan.deletes == ("stray.txt",)


def test_a_manually_changed_object_is_repaired() -> None:
    page = file("index.html")
    plan = make_plan([page], manifest_of(page, reconcile=True), {page.key: ListedObject("f" * 32, 9)}, NOW)
    assert keys(plan.phases)[5] == ["index.html"]


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


def test_deployment_ids_sort_by_time() -> None:
    times = [1_700_000_000_000, 1_700_000_000_007, 1_700_000_001_000, 1_800_000_000_000]
    ids = [make_deployment_id(t, "f" * 40 if i % 2 else "0" * 40) for i, t in enumerate(times)]
    assert ids == sorted(ids) and len(set(ids)) == 4


KEYS = st.sampled_from(
    ["index.html", "a/index.html", "404.html", "x.txt", "feed.xml", "_astro/a.1.js", "_astro/b.2.css"]
)
TREES = st.dictionaries(KEYS, st.sampled_from("123"))


def files_of(tree: dict[str, str]) -> list[LocalFile]:
    return [file(key, text) for key, text in tree.items()]


def carried_out(plan: Plan) -> dict[str, ManifestEntry]:
    """Returns the manifest's entries after the plan."""
    live = dict(plan.live)
    for phase in plan.phases:
        live |= {f.key: entry_of(f, f.md5) for f in phase}
    for heal in plan.heals:
        healed = entry_of(heal.file, heal.file.md5, "copy")
        live[heal.file.key] = healed.model_copy(update={"retired_at": heal.retired_at})
    for key in plan.deletes:
        del live[key]
    return live | dict(plan.settled)


@settings(deadline=None)
@given(st.lists(TREES, min_size=1, max_size=5), st.sets(st.integers(0, 4)))
def test_after_any_series_of_builds_the_last_one_is_live(trees: list[dict[str, str]], due: set[int]) -> None:
    manifest = manifest_of()
    for number, tree in enumerate(trees):
        before = manifest
        plan = make_plan(files_of(tree), manifest, None, NOW + number)
        live = carried_out(plan)
        for f in files_of(tree):
            assert live[f.key].md5 == f.md5 and live[f.key].retired_at is None and not live[f.key].due
        left_over = set(live) - set(tree)
        assert all(is_hashed(key) and live[key].retired_at is not None for key in left_over)
        assert all(not is_hashed(key) or before.files[key].due for key in plan.deletes)
        assert not set(plan.deletes) & set(tree)
        again = make_plan(files_of(tree), before.model_copy(update={"files": live}), None, NOW + number)
        assert not any(again.phases) and not again.settled
        if number in due:
            live = {k: e.model_copy(update={"due": True}) if e.retired_at is not None else e for k, e in live.items()}
        manifest = before.model_copy(update={"files": live})


@settings(deadline=None)
@given(TREES, TREES)
def test_a_page_goes_out_after_all_that_is_no_page(old: dict[str, str], new: dict[str, str]) -> None:
    plan = make_plan(files_of(new), manifest_of(*files_of(old)), None, NOW)
    sent = [f.key for phase in plan.phases for f in phase]
    ranks = [0 if is_hashed(k) else 3 if k == "index.html" else 2 if is_html(k) else 1 for k in sent]
    assert ranks == sorted(ranks) and len(set(sent)) == len(sent)
    assert set(sent) == {k for k, text in new.items() if old.get(k) != text}


@settings(deadline=None)
@given(TREES, TREES, TREES)
def test_a_listing_of_the_bucket_repairs_any_difference(
    recorded: dict[str, str], there: dict[str, str], new: dict[str, str]
) -> None:
    listing = {f.key: ListedObject(f.md5, f.size) for f in files_of(there)}
    for manifest in (None, manifest_of(*files_of(recorded), reconcile=True)):
        plan = make_plan(files_of(new), manifest, listing, NOW)
        live = carried_out(plan)
        assert set(plan.deletes) <= set(there)
        for f in files_of(new):
            assert (live[f.key].md5, live[f.key].content_type) == (f.md5, f.content_type)
        assert all(is_hashed(key) for key in set(live) - set(new))
