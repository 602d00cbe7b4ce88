"""Finds the files of the same site that a page, a stylesheet or a script needs."""

import posixpath
import re
from collections.abc import Iterator
from urllib.parse import unquote, urljoin, urlsplit

_QUOTED = rb"(?:\"[^\"]*\"|'[^']*'|[^\s\"'>]+)"
_TAG = re.compile(
    rb"<(link|script|img|source|video|audio|track|embed|object|input|use|image|astro-island)\b"
    rb"((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    rb"(?<![\w-])(rel|src|href|xlink:href|srcset|imagesrcset|poster|data|component-url|renderer-url|"
    rb"before-hydration-url)\s*=\s*(" + _QUOTED + rb")",
    re.IGNORECASE,
)
_URL = re.compile(rb"url\(\s*(" + _QUOTED.replace(rb"[^\s\"'>]+", rb"[^\s\"')]+") + rb")\s*\)", re.IGNORECASE)
_CSS_IMPORT = re.compile(rb"@import\s+(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
_JS_IMPORT = re.compile(rb"(?:\bfrom|\bimport)\s*\(?\s*([\"'`])(\.{0,2}/[^\"'`\s]+)\1")
_HASHED = re.compile(rb"[\"'(`=,\s](/?_astro/[^\"'`\s<>()\\?#,;&]+)")

_LINKS = {
    b"stylesheet",
    b"icon",
    b"shortcut",
    b"apple-touch-icon",
    b"mask-icon",
    b"modulepreload",
    b"preload",
    b"manifest",
}
"""Relations of <link> that load a file. Others (canonical, alternate, prev, next) name pages."""


def references(key: str, content: bytes) -> set[str]:
    """Returns the keys of the files in the same site that the file `key` refers to.

    Parses pages, stylesheets and scripts; a file of another type has no references. Links to other pages do not count,
    because a page works without them.
    """
    suffix = posixpath.splitext(key)[1].lower()
    found: Iterator[str]
    if suffix in {".html", ".htm"}:
        found = _of_page(content)
    elif suffix == ".css":
        found = _of_stylesheet(content)
    elif suffix in {".js", ".mjs"}:
        found = _of_script(content)
    else:
        return set()
    return {resolved for reference in found if (resolved := _resolve(key, reference)) is not None}


def _of_page(content: bytes) -> Iterator[str]:
    for tag in _TAG.finditer(content):
        attributes = {name.lower(): _text(value) for name, value in _ATTRIBUTE.findall(tag[2])}
        relations = set(attributes.pop(b"rel", "").lower().encode().split())
        if tag[1].lower() == b"link" and not relations & _LINKS:
            continue
        for name, value in attributes.items():
            yield from _candidates(value) if name in {b"srcset", b"imagesrcset"} else (value,)
    yield from _of_stylesheet(content)
    yield from _hashed(content)


def _of_stylesheet(content: bytes) -> Iterator[str]:
    for pattern in (_URL, _CSS_IMPORT):
        yield from (_text(value) for value in pattern.findall(content))


def _of_script(content: bytes) -> Iterator[str]:
    yield from (_text(value) for _, value in _JS_IMPORT.findall(content))
    yield from _hashed(content)


def _hashed(content: bytes) -> Iterator[str]:
    # Hashed names also occur outside of tags: in inline scripts, and in the lists of chunks that Vite preloads.
    for value in _HASHED.findall(content):
        yield "/" + _text(value).removeprefix("/")


def _candidates(srcset: str) -> Iterator[str]:
    for candidate in srcset.split(","):
        words = candidate.split()
        if words:
            yield words[0]


def _text(value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    return text.strip().replace("&amp;", "&")


def _resolve(key: str, reference: str) -> str | None:
    try:
        url = urlsplit(urljoin("/" + key, reference))
    except ValueError:
        return None
    if url.scheme or url.netloc or not url.path or url.path.endswith("/"):
        return None
    return unquote(url.path).lstrip("/") or None
