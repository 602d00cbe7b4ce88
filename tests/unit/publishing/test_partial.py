"""What of an interrupted build goes live."""

import io
import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from sitewright.publishing import partial
from sitewright.publishing.interrupted.completeness import is_whole, is_whole_page
from sitewright.publishing.interrupted.references import references
from sitewright.publishing.publisher import publish
from sitewright.publishing.site_files import scan
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
        publish(made.ctx, scan(made.folder / "dist"), COMMIT)
        for path in scan(made.folder / "dist"):
            path.path.unlink()
        yield made


def interrupted(site: Site) -> int:
    partial.mark_stopped(site.ctx.paths.tmp, COMMIT)
    return partial.publish_dist(site.ctx, site.folder / "dist")


def build_in_order(site: Site, *files: tuple[str, str]) -> None:
    """Files as a build writes them: each a little later than the one before."""
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
    assert interrupted(site) == 2
    assert "_astro/first.js" in site.live() and "_astro/last.js" not in site.live()


def test_static_files_go_out_if_they_are_the_sources(site: Site) -> None:
    write(site.folder / "public", {"robots.txt": "User-agent: *", "big.bin": "x" * 100, "secret.bin": "never"})
    build_in_order(site, ("robots.txt", "User-agent: *"), ("big.bin", "x" * 99), ("generated.txt", "may be cut"))
    assert interrupted(site) == 1
    assert "robots.txt" in site.live() and "big.bin" not in site.live() and "generated.txt" not in site.live()


def test_what_a_page_needs_indirectly_counts(site: Site) -> None:
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
    partial.mark_complete(site.ctx.paths.tmp, COMMIT)
    assert partial.publish_dist(site.ctx, site.folder / "dist") == 1
    assert "old.html" in site.live() and site.read("index.html") == "<p>a fragment"
    booked = site.manifest()
    assert partial.publish_dist(site.ctx, site.folder / "dist") == 0
    assert site.manifest() == booked


@pytest.mark.parametrize("state", [None, "rubbish", '{"complete": true}'])
def test_without_a_state_nothing_goes_out(site: Site, state: str | None) -> None:
    partial.mark_begun(site.ctx.paths.tmp)
    if state is not None:
        (site.ctx.paths.tmp / "dist-state.json").write_text(state)
    write(site.folder / "dist", {"index.html": page()})
    assert partial.publish_dist(site.ctx, site.folder / "dist") == 0


def test_a_dist_that_is_a_link_is_left_alone(site: Site, tmp_path: Path) -> None:
    (site.folder / "dist").rename(tmp_path / "elsewhere")
    write(tmp_path / "elsewhere", {"index.html": page("x")})
    (site.folder / "dist").symlink_to(tmp_path / "elsewhere")
    assert interrupted(site) == 0


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def _webp() -> bytes:
    body = b"WEBPVP8 " + struct.pack("<I", 20) + bytes(range(20))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _avif() -> bytes:
    def box(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", 8 + len(data)) + kind + data

    return box(b"ftyp", b"avif\0\0\0\0") + box(b"meta", b"index") + box(b"mdat", b"x" * 32)


WHOLE = {
    "a.html": page("x").encode(),
    "a.png": _png(),
    "a.jpg": b"\xff\xd8\xff\xe0" + b"data" * 9 + b"\xff\xd9",
    "a.webp": _webp(),
    "a.avif": _avif(),
    "a.svg": b'<?xml version="1.0"?><!-- <x> --><svg xmlns="x"><g><path d="M0"/></g></svg>\n',
    "a.json": json.dumps({"a": [1, 2, {"b": "c"}]}).encode(),
    "a.xml": b'<?xml version="1.0"?><rss version="2.0"><channel><item/></channel></rss>',
    "a.woff2": b"wOF2\0\1\0\0" + struct.pack(">I", 60) + b"f" * 48,
    "a.pdf": b"%PDF-1.7 body body body\n%%EOF\n",
}


@pytest.mark.parametrize("key", WHOLE)
def test_a_format_that_tells_its_end_is_never_taken_for_whole_when_cut(key: str) -> None:
    content = WHOLE[key]
    assert is_whole(key, content) is True
    ends = len(content.rstrip())
    for length in range(ends - 1):
        assert is_whole(key, content[:length]) is False, length


def test_an_empty_root_element_and_formats_without_an_end() -> None:
    assert is_whole("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>') is True
    assert is_whole("a.svg", b'<svg><path d="M0"/>') is False
    assert is_whole("a.js", b"let a") is None and is_whole("LICENSE", b"") is None


@given(st.integers(0, 5_000), st.text(max_size=50))
def test_a_cut_page_is_never_whole(cut: int, body: str) -> None:
    whole = f"<!DOCTYPE html><html><body>{body.replace('<', '&lt;')}</body></html>".encode()
    assert is_whole_page(whole) and not is_whole_page(whole[: min(cut, len(whole) - 1)])


def test_references_of_a_page() -> None:
    html = b"""<!DOCTYPE html><html><head>
      <link rel="stylesheet" href="/_astro/a.1.css"><link rel=icon href=/favicon.svg>
      <link rel="canonical" href="/shop/"><link rel="alternate" hreflang="fr" href="/fr/page.html">
      <link rel="stylesheet" href="https://fonts.example/x.css"><link rel="stylesheet" href="//cdn.example/x.css">
      <script type="module">import "/_astro/inline.2.js"; const x = a > b;</script>
      <style>.a{background:url(/bg.png)}</style></head>
      <body style="background: url('/_astro/style.3.webp')"><a href="/other/page.html">other</a>
      <img src="../pic one.jpg?v=2#x" srcset="/_astro/s.4.webp 1x, /_astro/l%20x.5.webp 2x" alt="a > b">
      <img src="data:image/png;base64,AAAA"><video poster="/p.jpg"></video>
      <astro-island component-url="/_astro/Counter.6.js" renderer-url="/_astro/client.7.js"></astro-island></html>"""
    assert references("blog/post/index.html", html) == {
        "_astro/a.1.css", "favicon.svg", "_astro/inline.2.js", "bg.png", "_astro/style.3.webp", "blog/pic one.jpg",
        "_astro/s.4.webp", "_astro/l x.5.webp", "p.jpg", "_astro/Counter.6.js", "_astro/client.7.js",
    }  # fmt: skip


def test_references_of_scripts_and_stylesheets() -> None:
    script = b'import{a as t}from"./a.js";import("../b.mjs");import"/_astro/c.js";const d=["_astro/d.css"];import x from"react"'
    assert references("_astro/x.js", script) == {"_astro/a.js", "b.mjs", "_astro/c.js", "_astro/d.css"}
    style = b"@import './more.css';a{src:url( \"font.woff2\" );b:url(data:image/svg+xml,x)}"
    assert references("_astro/x.css", style) == {"_astro/more.css", "_astro/font.woff2"}
    assert references("feed.xml", b'<a src="/_astro/x.js">') == set()


@given(st.binary(max_size=300))
def test_references_of_anything_are_keys(content: bytes) -> None:
    for name in ("a.html", "b/c.css", "_astro/d.js"):
        for key in references(name, io.BytesIO(content).read()):
            assert key and not key.startswith("/")
