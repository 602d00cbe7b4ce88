"""What a page refers to on its own host."""

import time

import pytest

from sitewright.publishing.pages.page_links import LinkKind, LinkReader, candidates

HOST = "edit.amelia.example.com"


def links(html: str, key: str = "blog/first/index.html") -> dict[str, str]:
    found = LinkReader(frozenset({HOST})).of_page(key, html.encode())
    return {link.path: link.kind.name.lower() for link in found}


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ('<link rel="stylesheet" href="/site.css">', {"site.css": "code"}),
        ("<script src=/app.js></script>", {"app.js": "code"}),
        (
            '<astro-island component-url="/_astro/a.js" renderer-url="/_astro/b.js">',
            {"_astro/a.js": "code", "_astro/b.js": "code"},
        ),
        ('<img src="me.jpg">', {"blog/first/me.jpg": "media"}),
        ('<a href="../second/">', {"blog/second/": "link"}),
        ('<A HREF="/About.html">', {"About.html": "link"}),
        ('<a href="/">', {"": "link"}),
        (f'<a href="https://{HOST}/x"><a href="//{HOST.upper()}/y?z=1#a">', {"x": "link", "y": "link"}),
        ('<a href="/a%20b/%C3%BC">', {"a b/ü": "link"}),
        ('<a href="/search?q=1&amp;r=2#top">', {"search": "link"}),
        ('<a href="/a&amp;b">', {"a&b": "link"}),
        (
            '<img srcset="/a.jpg 1x, /b,c.jpg 2x" src="/d.jpg">',
            {"a.jpg": "media", "b,c.jpg": "media", "d.jpg": "media"},
        ),
        ('<img srcset="data:image/png;base64,AAAA 1x, /b.png 2x">', {"b.png": "media"}),
        ('<div style="background:url(/bg.png)">', {"bg.png": "media"}),
        ("<style>@import '/more.css'; .a{background:url(\"/b.png\")}</style>", {"more.css": "code", "b.png": "media"}),
        (
            '<link rel="icon" href="/favicon.ico"><link rel="preload" href="/f.woff2">',
            {"favicon.ico": "hint", "f.woff2": "hint"},
        ),
        ('<base href="/docs/"><a href="page">', {"docs/page": "link"}),
        ('<base href="/docs/x"><base href="/other/"><a href="page"><a href="/y">', {"docs/page": "link", "y": "link"}),
        ('<a title="a > b" href="/x">', {"x": "link"}),
        ('<svg><use href="/sprite.svg#a"/></svg>', {"sprite.svg": "media"}),
        ('<a\n href="/n"\n>', {"n": "link"}),
        ('<a href="/first" href="/second">', {"first": "link"}),
    ],
)
def test_a_reference_to_the_own_host_is_found(html: str, wanted: dict[str, str]) -> None:
    assert links(html) == wanted


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://example.com/x"><img src="//cdn.example.com/x.js">',
        '<a href="mailto:a@example.com"><a href="tel:1"><a href="javascript:void(0)">',
        '<img src="data:image/png;base64,AAAA"><img src="">',
        '<a href="#top"><a href="?page=2">',
        '<base href="https://example.com/"><a href="/x"><img src="y.jpg">',
        '<!-- <a href="/old"> --><a>',
        "<script>document.write('<img src=\"/x.png\">')</script>",
        '<script type="application/ld+json" src="/x.json"></script>',
        '<a href="/{{ slug }}"><a href="${path}"><a href="/<%= x %>">',
        '<link rel="canonical" href="/x"><link rel="preconnect" href="/"><link rel="alternate" href="/de/">',
        "<style>/* url(/x.png) */ .a{fill:url(#b)}</style>",
        '<form action="/api/contact"><abbr href="/x"><aside src="/y">',
        '<a href="/%ff%fe"><a href="http://[">',
        '<a href="/unclosed',
    ],
)
def test_what_is_no_reference_to_the_own_host(html: str) -> None:
    assert {path for path in links(html) if path != "unclosed"} == set()


def test_the_tags_of_a_page_do_not_leak_into_another_folder() -> None:
    reader = LinkReader()
    tag = b'<img src="me.jpg"><a href="/x">'
    assert {link.path for link in reader.of_page("a/index.html", tag)} == {"a/me.jpg", "x"}
    assert {link.path for link in reader.of_page("b/index.html", tag)} == {"b/me.jpg", "x"}


def test_a_stylesheet_names_its_files() -> None:
    found = LinkReader().of_stylesheet(
        "css/site.css", b"@import \"more.css\";a{b:url( '../i/a.png' )}c{d:url(data:x,y)}"
    )
    assert found == {("css/more.css", LinkKind.CODE), ("i/a.png", LinkKind.MEDIA)}


def test_addresses_that_no_object_has_are_left_out_and_not_kept() -> None:
    """Pictures within a page are of any size, and a manifest keeps the paths that lead nowhere."""
    reader, long = LinkReader(), "x" * 5_000
    page = f'<img src="data:image/png;base64,{long}"><img src="/{long}"><img src="/{"%41" * 1_024}">'
    assert {link.path for link in reader.of_page("x.html", page.encode())} == {"A" * 1_024}
    assert reader.of_page("x.html", f'<a href="/{"é" * 513}">'.encode()) == set(), "1,026 bytes"
    assert reader.of_page("x.html", f'<base href="/b/"><a href="{long}">'.encode()) == set()
    assert max(len(address) for _, address in reader._paths) < 4_000


def test_a_srcset_ends_where_it_ends() -> None:
    assert list(candidates("")) == []
    assert list(candidates("a.jpg, b.jpg,")) == ["a.jpg", "b.jpg"]
    assert list(candidates("a.jpg 100w,b.jpg 2x")) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    "part",
    [
        "<",
        "<!--",
        "<a ",
        "<a b='",
        "<a b='\"",
        "</",
        "<script>",
        '<a x="',
        "<style>url(",
        '<a style="',
        "<a x=",
        "a, ",
        "url( ",
    ],
)
def test_no_page_takes_long(part: str) -> None:
    content = (part * (400_000 // len(part))).encode()
    began = time.process_time()
    LinkReader().of_page("x.html", content)
    LinkReader().of_stylesheet("x.css", content)
    assert time.process_time() - began < 2.0
