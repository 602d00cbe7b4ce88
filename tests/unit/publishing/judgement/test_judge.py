"""A publish is judged before it replaces anything, against S3 in moto."""

import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.names import manifest_key
from sitewright.publishing.dist_files import scan
from sitewright.publishing.judgement.findings import PublishRefused
from sitewright.publishing.judgement.judge import Judge
from sitewright.publishing.judgement.lost_pages import Edit
from sitewright.publishing.plan import make_plan
from sitewright.publishing.publish_result import PublishResult
from sitewright.publishing.publisher import publish
from tests.support.publishing.site_world import BUCKET, Site, make_site, write

COMMIT = "c" * 40
PAGES = {
    "index.html": '<link rel="stylesheet" href="/site.css"><a href="/about">About</a><img src="/me.jpg">',
    "about/index.html": '<link rel="stylesheet" href="../site.css"><a href="/">Home</a>',
    "site.css": "h1{background:url(bg.png)}",
    "bg.png": "png",
    "me.jpg": "jpg",
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with mock_aws():
        made = make_site(tmp_path, {"readme.md": "x"}, under_git=False)
        write(made.folder / "dist", PAGES)
        yield made


def put(
    site: Site, *, edit: Callable[[str | None], Edit] = lambda _: Edit(), allowed: Collection[ErrorCode] = ()
) -> tuple[PublishResult, Judge]:
    files = scan(site.folder / "dist")
    judge = Judge(files, str(site.folder / "dist"), BUCKET, edit, site.ctx.log, allowed)
    return publish(site.target, files, COMMIT, check_plan=judge), judge


def refused(site: Site) -> ErrorCode:
    before, manifest = site.live(), site.manifest()
    with pytest.raises(PublishRefused) as refusal:
        put(site)
    assert site.live() == before and site.manifest() == manifest
    return refusal.value.code


def test_a_good_site_is_published_without_a_word(site: Site) -> None:
    result, judge = put(site)
    assert result.error is None and result.uploaded == 5 and not judge.notes and not judge.broken
    assert site.manifest().broken_paths == []


def test_the_first_publish_is_told_what_leads_nowhere_and_never_refused_for_it(site: Site) -> None:
    write(site.folder / "dist", {"index.html": '<link rel="stylesheet" href="/old-name/site.css">'})
    result, judge = put(site)
    assert result.error is None and set(judge.broken) == {"old-name/site.css"}
    assert "/old-name/site.css (in index.html)" in judge.notes[0]
    assert site.manifest().broken_paths == ["old-name/site.css"]
    write(site.folder / "dist", {"index.html": '<b>New</b><link rel="stylesheet" href="/old-name/site.css">'})
    result, judge = put(site)
    assert result.uploaded == 1 and set(judge.broken) == {"old-name/site.css"}
    assert not judge.notes, "what was broken before is not told again"


def test_a_wrong_base_is_refused_and_can_be_allowed(site: Site) -> None:
    put(site)
    write(site.folder / "dist", {"index.html": PAGES["index.html"].replace('="/', '="/docs/')})
    assert refused(site) is ErrorCode.BROKEN_REFERENCES
    result, _ = put(site, allowed=[ErrorCode.BROKEN_REFERENCES])
    assert result.error is None and "docs/site.css" in site.read("index.html")
    write(site.folder / "dist", {"index.html": PAGES["index.html"].replace('="/', ' ="/docs/')})
    assert put(site)[0].error is None, "it is live now, so it is not worse"


def test_a_moved_output_is_refused_for_each_reason(site: Site) -> None:
    put(site)
    dist = site.folder / "dist"
    for key in PAGES:
        (dist / "client" / key).parent.mkdir(parents=True, exist_ok=True)
        (dist / key).rename(dist / "client" / key)
    write(dist, {"server/entry.mjs": "key"})
    with pytest.raises(PublishRefused) as refusal:
        put(site)
    assert {finding.code for finding in refusal.value.findings} >= {ErrorCode.ROOT_PAGE_MISSING, ErrorCode.SERVER_CODE}
    assert "reasons: root_page_missing, server_code" in refusal.value.message and refusal.value.repairable
    with pytest.raises(PublishRefused):
        put(site, allowed=[ErrorCode.ROOT_PAGE_MISSING])
    assert "server/entry.mjs" not in site.live()


def test_a_silent_feed_is_refused_and_the_edit_is_asked_once(site: Site) -> None:
    posts = {f"posts/post-{n}.html": f"<h1>{n}</h1>" for n in range(10)}
    write(site.folder / "dist", posts)
    put(site)
    for key in posts:
        (site.folder / "dist" / key).unlink()
    asked: list[str | None] = []

    def edit(commit: str | None) -> Edit:
        asked.append(commit)
        return Edit()

    with pytest.raises(PublishRefused) as refusal:
        put(site, edit=edit)
    assert refusal.value.code is ErrorCode.PAGES_MISSING and asked == [COMMIT]
    assert "10 pages of 12" in refusal.value.message
    result, _ = put(site, edit=lambda _: Edit(tuple(f"content/post-{n}.md" for n in range(10))))
    assert result.error is None and len(result.removed_pages) == 10 and result.removed_pages[0] == "posts/post-0.html"


def test_a_deleted_picture_that_a_changed_page_still_shows_is_refused(site: Site) -> None:
    put(site)
    (site.folder / "dist" / "me.jpg").unlink()
    write(site.folder / "dist", {"index.html": PAGES["index.html"] + "<p>more"})
    assert refused(site) is ErrorCode.BROKEN_REFERENCES


def test_a_pointer_is_refused_also_at_the_first_publish(site: Site) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{7:064d}\nsize 12345\n"
    write(site.folder / "dist", {"hero.jpg": pointer})
    with pytest.raises(PublishRefused) as refusal:
        put(site)
    assert refusal.value.code is ErrorCode.LFS_POINTERS and not site.live() and not refusal.value.repairable
    put(site, allowed=[ErrorCode.LFS_POINTERS])
    write(site.folder / "dist", {"index.html": PAGES["index.html"] + "<p>more"})
    assert put(site)[0].error is None, "a pointer that is live is no reason for a later publish"


@pytest.mark.parametrize("damage", ["none", "reconcile"])
def test_a_site_whose_manifest_is_in_doubt_is_judged_by_its_bucket(site: Site, damage: str) -> None:
    put(site)
    key = manifest_key("amelia")
    if damage == "none":
        site.clients.s3.delete_object(Bucket="artifacts", Key=key)
    else:
        marked = site.manifest().model_copy(update={"reconcile": True}).to_bytes()
        site.clients.s3.put_object(Bucket="artifacts", Key=key, Body=marked)
    (site.folder / "dist" / "index.html").unlink()
    before = site.live()
    with pytest.raises(PublishRefused) as refusal:
        put(site)
    assert refusal.value.code is ErrorCode.ROOT_PAGE_MISSING and site.live() == before
    assert site.manifest().lease_owner is None, "the next publish need not wait"
    write(site.folder / "dist", PAGES)
    assert put(site)[0].error is None and site.live() == set(PAGES)


def test_a_page_that_is_gone_fails_the_publish_and_names_it(site: Site) -> None:
    put(site)
    write(site.folder / "dist", {"index.html": "<b>New</b>"})
    files = scan(site.folder / "dist")
    (site.folder / "dist" / "index.html").unlink()
    judge = Judge(files, str(site.folder / "dist"), BUCKET, lambda _: Edit(), site.ctx.log)
    error = publish(site.target, files, COMMIT, check_plan=judge).error
    assert error is not None and error.code is ErrorCode.PUBLISH_FAILED and "index.html" in error.message


def test_twenty_thousand_pages_are_judged_within_seconds(tmp_path: Path) -> None:
    nav = "".join(f'<a class="x" href="/p/{n}/">Page</a>' for n in range(20))
    dist = tmp_path / "dist"
    for number in range(2_000):
        page = dist / "p" / str(number) / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(f'<html><link rel="stylesheet" href="/site.css">{nav}<p>{"word " * 300}{number}</html>')
    write(dist, {"site.css": "a{}", "index.html": nav})
    files = scan(dist)
    judge = Judge(files, str(dist), BUCKET, lambda _: Edit(), lambda *_, **__: None)
    began = time.process_time()
    judge(make_plan(files, None, None, 1), None, lambda: None)
    # A tenth of the pages, so a tenth of the time, with room for a busy machine.
    assert time.process_time() - began < 1.0
    assert not judge.broken
