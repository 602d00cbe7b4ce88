"""Selects the whole files of an interrupted build, and finds their references."""

import io
import json
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitewright.publishing.interrupted.completeness import is_whole, is_whole_page
from sitewright.publishing.interrupted.references import references


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
    "a.html": b'<!DOCTYPE html><html><body><img src="x"></body></html>\n',
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


@given(st.integers(0, 5_000), st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
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
