"""Which files of an interrupted build are published."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws
from workspace.build import dist_state
from workspace.build.site_publish import publish_interrupted

from sitewright.publishing.dist_files import scan
from sitewright.publishing.publisher import publish
from tests.support.publishing.site_world import Site, make_site, write

COMMIT = "c" * 40


def page(*references: str) -> str:
    return "<!DOCTYPE html><html><body>" + "".join(f'<img src="{r}">' for r in references) + "</body></html>\n"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with mock_aws():
        made = make_site(tmp_path, {"readme.md": "x"}, under_git=False)
        write(
            made.folder / "dist",
            {"index.html": page("/_astro/old.1.css"), "_astro/old.1.css": "a{}", "old.html": page()},
        )
        publish(made.target, scan(made.folder / "dist"), COMMIT)
        for file in scan(made.folder / "dist"):
            (made.folder / "dist" / file.key).unlink()
        yield made


def interrupted(site: Site) -> int:
    dist_state.mark_stopped(site.ctx.paths.scratch, COMMIT, "dist")
    return publish_interrupted(site.ctx)


def build_in_order(site: Site, *files: tuple[str, str]) -> None:
    """Writes files like a build: each a little later than the previous one."""
    for number, (key, text) in enumerate(files):
        write(site.folder / "dist", {key: text})
        os.utime(site.folder / "dist" / key, ns=(0, 10**18 + number * 10**6))


def test_whole_pages_go_out_nothing_is_deleted_and_no_page_is_cut(site: Site) -> None:
    before = site.live()
    build_in_order(
        site,
        ("_astro/new.2.css", "b{}"),
        ("index.html", page("/_astro/new.2.css", "/_astro/old.1.css")),
        ("about/index.html", page("/_astro/picture.3.png")),
        ("news/index.html", "<!DOCTYPE html><html><body>half a pa"),
        ("empty/index.html", ""),
    )
    assert interrupted(site) == 2
    assert site.live() == before | {"_astro/new.2.css"}
    assert site.read("index.html") == page("/_astro/new.2.css", "/_astro/old.1.css")
    manifest = site.manifest()
    assert set(manifest.files) == site.live() and not manifest.complete
    assert manifest.files["_astro/old.1.css"].retired_at is None


def test_the_builds_scratch_folder_never_goes_live(site: Site) -> None:
    build_in_order(
        site,
        (".prerender/entry.mjs", "server code"),
        (".prerender/x.json", "{}"),
        (".well-known/security.json", "{}"),
        ("a.html", page()),
    )
    interrupted(site)
    assert {".well-known/security.json", "a.html"} <= site.live()
    assert not any(key.startswith(".prerender") for key in site.live())


def test_a_script_or_stylesheet_without_a_newer_page_may_be_cut(site: Site) -> None:
    build_in_order(
        site, ("_astro/first.js", "let a=1"), ("a.html", page("/_astro/first.js")), ("_astro/last.js", "let b")
    )
    assert interrupted(site) == 3, "the script, and the page under both of its keys"
    assert "_astro/first.js" in site.live() and "_astro/last.js" not in site.live()


def test_static_files_go_out_if_they_are_the_sources(site: Site) -> None:
    write(site.folder / "public", {"robots.txt": "User-agent: *", "big.bin": "x" * 100, "secret.bin": "never"})
    build_in_order(site, ("robots.txt", "User-agent: *"), ("big.bin", "x" * 99), ("generated.txt", "may be cut"))
    assert interrupted(site) == 1
    assert "robots.txt" in site.live() and "big.bin" not in site.live() and "generated.txt" not in site.live()


def test_indirect_references_of_a_page_count(site: Site) -> None:
    build_in_order(
        site,
        ("_astro/lost.css", "@font-face{src:url(./font.woff2)}"),
        ("_astro/found.css", "body{background:url('/_astro/old.1.css')}"),
        ("_astro/loop-a.js", 'import{b}from"./loop-b.js";export const a=1'),
        ("_astro/loop-b.js", 'import("./loop-a.js")'),
        ("_astro/broken.js", 'import"./never.js"'),
        ("lost.html", page("/_astro/lost.css")),
        ("found.html", page("/_astro/found.css", "/_astro/loop-a.js")),
        ("broken.html", page("/_astro/broken.js")),
    )
    interrupted(site)
    assert {"found.html", "_astro/found.css", "_astro/loop-a.js", "_astro/loop-b.js"} <= site.live()
    assert not {"lost.html", "broken.html", "_astro/lost.css", "_astro/broken.js"} & site.live()


def test_a_whole_dist_goes_out_as_it_is_and_twice_changes_nothing(site: Site) -> None:
    write(site.folder / "dist", {"index.html": "<p>a fragment"})
    dist_state.mark_complete(site.ctx.paths.scratch, COMMIT, "dist")
    assert publish_interrupted(site.ctx) == 1
    assert "old.html" in site.live() and site.read("index.html") == "<p>a fragment"
    booked = site.manifest()
    assert publish_interrupted(site.ctx) == 0
    assert site.manifest() == booked


@pytest.mark.parametrize("state", [None, "rubbish", '{"complete": true}'])
def test_without_a_state_nothing_goes_out(site: Site, state: str | None) -> None:
    dist_state.forget(site.ctx.paths.scratch)
    if state is not None:
        (site.ctx.paths.scratch / "dist-state.json").write_text(state)
    write(site.folder / "dist", {"index.html": page()})
    assert publish_interrupted(site.ctx) == 0


def test_a_dist_that_is_a_link_is_left_alone(site: Site, tmp_path: Path) -> None:
    (site.folder / "dist").rename(tmp_path / "elsewhere")
    write(tmp_path / "elsewhere", {"index.html": page("x")})
    (site.folder / "dist").symlink_to(tmp_path / "elsewhere")
    assert interrupted(site) == 0
