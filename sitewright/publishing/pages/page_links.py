"""Finds what a page or a stylesheet refers to on its own host. Pure.

One regular expression finds the tags and leaves out comments, scripts and styles. Each branch of it ends at the end of
the text at the latest, so its time grows with the page's length only, whatever the build wrote. The parser of the standard
library takes 38 s for 200 KB of `<!--` (https://github.com/python/cpython/issues/135462), and six times as long for a
good page. Most tags of a site stand on many pages, so a tag is taken apart once.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from html import unescape
from typing import NamedTuple, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

from sitewright.contracts.limits import KEY_BYTES

PAGE_BYTES = 4 * 2**20
"""So much of a page is read. A longer one is data in the clothes of a page."""

_REMEMBERED = 2_000
"""Bytes of the longest tag that is remembered."""

_ADDRESS_CHARACTERS = 3 * KEY_BYTES + 300
"""A longer address names no object: a key has at most KEY_BYTES, each may take three characters, and a host's name stands
before it. Mostly it is a picture within the page (`data:`). It is neither taken apart nor remembered."""

_ENTRIES = 50_000
"""How many tags and addresses are remembered. Then all are forgotten: the pages are a guest's, memory is the runner's."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class LinkKind(IntEnum):
    """What a page loses if the file behind a reference is missing."""

    CODE = 1
    """A stylesheet, a script, or the code of an Astro island: the page looks or works wrong."""
    MEDIA = 2
    """A picture, a film, a font: one thing is missing on the page."""
    LINK = 3
    """Another page: a click on it leads nowhere."""
    HINT = 4
    """An icon, a manifest, a preloaded file: nobody sees that it is missing."""


class Link(NamedTuple):
    """A reference to a path of the page's own host."""

    path: str
    """Without the leading slash, decoded. It is empty for the root page."""
    kind: LinkKind


_VALUE = rb"(?:\"[^\"]*(?:\"|\Z)|'[^']*(?:'|\Z)|[^\s\"'>]+)"
_REST = rb"(?:[^>\"']++|\"[^\"]*(?:\"|\Z)|'[^']*(?:'|\Z))*+(?:>|\Z)"
_NAMES = rb"a|area|link|img|source|video|audio|track|embed|object|iframe|input|use|image|astro-island|base"
_TAG = re.compile(
    rb"<(?:!--(?:.*?-->|.*)"
    rb"|script(?=[\s/>])" + _REST + rb"(?:.*?</script|.*)"
    rb"|style(?=[\s/>])" + _REST + rb"(?:.*?</style|.*)"
    rb"|(?:" + _NAMES + rb")(?=[\s/>])" + _REST + rb")",
    re.IGNORECASE | re.DOTALL,
)
_NAME = re.compile(rb"<([a-z-]+)", re.IGNORECASE)
_OPENING = re.compile(rb"<[a-z-]+" + _REST, re.IGNORECASE)
_ATTRIBUTE = re.compile(rb"([a-z][a-z:-]{0,40})\s?=\s?(" + _VALUE + rb")", re.IGNORECASE)
_CSS_URL = re.compile(r"url\(\s?(\"[^\"\n]{0,1000}\"|'[^'\n]{0,1000}'|[^\s\"'()]{1,1000}+)\s?\)", re.IGNORECASE)
_CSS_IMPORT = re.compile(r"@import\s(\"[^\"\n]{0,1000}\"|'[^'\n]{0,1000}')", re.IGNORECASE)
_CSS_COMMENT = re.compile(r"/\*(?:.*?\*/|.*)", re.DOTALL)
_INLINE_STYLE = re.compile(rb"style=(\"[^\"<>]{0,1000}\"|'[^'<>]{0,1000}')")
_CANDIDATE = re.compile(r"[\s,]*+(\S++)([^,]*+)")
_TEMPLATE = re.compile(r"[{}<>|\\^`\s]|\$\(|%[<{]")
"""What no finished address contains: the remains of a template, or spaces."""

_ADDRESSES: dict[bytes, dict[bytes, LinkKind]] = {
    b"a": {b"href": LinkKind.LINK},
    b"area": {b"href": LinkKind.LINK},
    b"iframe": {b"src": LinkKind.LINK},
    b"script": {b"src": LinkKind.CODE},
    b"img": {b"src": LinkKind.MEDIA, b"srcset": LinkKind.MEDIA},
    b"source": {b"src": LinkKind.MEDIA, b"srcset": LinkKind.MEDIA},
    b"video": {b"src": LinkKind.MEDIA, b"poster": LinkKind.MEDIA},
    b"audio": {b"src": LinkKind.MEDIA},
    b"track": {b"src": LinkKind.MEDIA},
    b"embed": {b"src": LinkKind.MEDIA},
    b"object": {b"data": LinkKind.MEDIA},
    b"input": {b"src": LinkKind.MEDIA},
    b"use": {b"href": LinkKind.MEDIA, b"xlink:href": LinkKind.MEDIA},
    b"image": {b"href": LinkKind.MEDIA, b"xlink:href": LinkKind.MEDIA},
    b"astro-island": {
        b"component-url": LinkKind.CODE,
        b"renderer-url": LinkKind.CODE,
        b"before-hydration-url": LinkKind.CODE,
    },
}
_RELATIONS = {
    "stylesheet": LinkKind.CODE,
    "icon": LinkKind.HINT,
    "apple-touch-icon": LinkKind.HINT,
    "mask-icon": LinkKind.HINT,
    "manifest": LinkKind.HINT,
    "preload": LinkKind.HINT,
    "modulepreload": LinkKind.HINT,
}
"""Relations of <link> that name a file of the page. Others name pages or hosts, often of another site."""


@dataclass
class LinkReader:
    """Reads the pages of one site. Remembers the tags and addresses that it has seen."""

    hosts: frozenset[str] = frozenset()
    """Names of the site's own host: an absolute address with one of them counts as its path."""
    _tags: dict[bytes, tuple[frozenset[Link], frozenset[tuple[str, LinkKind]]]] = field(
        default_factory=dict, repr=False
    )
    """The references of a tag: those from the root of the host, and those that depend on the page's folder."""
    _paths: dict[tuple[str, str], str | None] = field(default_factory=dict, repr=False)

    def of_page(self, key: str, content: bytes) -> set[Link]:
        """Returns the references of the page `key` to its own host."""
        base: str | None = None
        links, relative = set[Link](), set[tuple[str, LinkKind]]()
        for tag in dict.fromkeys(_TAG.findall(content)):
            known = self._tags.get(tag)
            if known is None:
                if tag[:5].lower() == b"<base":
                    base = base or _based(f"/{key}", tag)
                    continue
                known = self._read(tag)
                if len(tag) <= _REMEMBERED:
                    _remember(self._tags, tag, known)
            links |= known[0]
            if known[1]:
                relative |= known[1]
        if b"url(" in content:
            for value in _INLINE_STYLE.findall(content):
                relative.update(of_css(_text(value)))
        if base is not None:
            # The base may be of another host, to which even a path from the root leads then.
            every = relative.union(*(_references(tag) for tag in _TAG.findall(content)))
            return {Link(path, kind) for address, kind in every if (path := self._path(base, address)) is not None}
        return links | self._own(f"/{key}", relative) if relative else links

    def of_stylesheet(self, key: str, content: bytes) -> set[Link]:
        """Returns the references of the stylesheet `key` to its own host."""
        return self._own(f"/{key}", set(of_css(content.decode("utf-8", "replace"))))

    def _read(self, tag: bytes) -> tuple[frozenset[Link], frozenset[tuple[str, LinkKind]]]:
        found = set(_references(tag))
        rooted = {(address, kind) for address, kind in found if address[:1] == "/" != address[1:2]}
        return frozenset(self._own("/", rooted)), frozenset(found - rooted)

    def _own(self, base: str, found: Iterable[tuple[str, LinkKind]]) -> set[Link]:
        folder = base[: base.rfind("/") + 1]
        links = set()
        for address, kind in found:
            if len(address) > _ADDRESS_CHARACTERS:
                continue
            where = ("" if address.startswith("/") else folder, address)
            if where not in self._paths:
                _remember(self._paths, where, self._path(folder, address))
            path = self._paths[where]
            if path is not None:
                links.add(Link(path, kind))
        return links

    def _path(self, base: str, address: str) -> str | None:
        """Returns the path of an address on the own host, None for another address, and for one that no object has."""
        if (
            not address
            or len(address) > _ADDRESS_CHARACTERS
            or address.startswith(("#", "?"))
            or _TEMPLATE.search(address)
        ):
            return None
        try:
            url = urlsplit(urljoin(base, address))
            if url.scheme not in {"", "http", "https"} or (url.netloc and url.netloc.lower() not in self.hosts):
                return None
            path = unquote(url.path.removeprefix("/"), errors="strict")
            return path if len(path.encode()) <= KEY_BYTES else None
        except ValueError:
            return None


def _remember(known: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if len(known) >= _ENTRIES:
        known.clear()
    known[key] = value


def of_css(text: str) -> Iterator[tuple[str, LinkKind]]:
    """Yields the addresses in a stylesheet's text."""
    text = _CSS_COMMENT.sub("", text)
    for value in _CSS_URL.findall(text):
        yield value.strip("\"'").strip(), LinkKind.MEDIA
    for value in _CSS_IMPORT.findall(text):
        yield value.strip("\"'").strip(), LinkKind.CODE


def _based(base: str, tag: bytes) -> str:
    try:
        return urljoin(base, _attributes(tag).get(b"href", ""))
    except ValueError:
        return base


def _references(tag: bytes) -> Iterator[tuple[str, LinkKind]]:
    match = _NAME.match(tag)
    name = match[1].lower() if match else b""
    if name == b"style":
        yield from of_css(tag.decode("utf-8", "replace"))
        return
    attributes = _attributes(tag)
    if name == b"link":
        kinds = [_RELATIONS[word] for word in attributes.get(b"rel", "").lower().split() if word in _RELATIONS]
        if kinds:
            yield attributes.get(b"href", ""), min(kinds)
        return
    if name == b"script" and attributes.get(b"type", "").lower() not in _PROGRAMS:
        return
    if name == b"a" and b"download" in attributes:
        yield attributes.get(b"href", ""), LinkKind.LINK
        return
    for attribute, kind in _ADDRESSES.get(name, {}).items():
        value = attributes.get(attribute)
        if value is None:
            continue
        if attribute == b"srcset":
            for candidate in candidates(value):
                yield candidate, kind
        else:
            yield value, kind


_PROGRAMS = {"", "module", "text/javascript", "application/javascript"}


def _attributes(tag: bytes) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    opening = _OPENING.match(tag)
    for name, value in _ATTRIBUTE.findall(opening[0] if opening else b""):
        # The first of two attributes of one name counts (HTML standard, "Attribute name state").
        found.setdefault(name.lower(), _text(value))
    return found


def _text(value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    if text[0] in "\"'":
        text = text[1:].removesuffix(text[0])
    return unescape(text).strip()


def candidates(srcset: str) -> Iterator[str]:
    """Yields the addresses of a `srcset`. An address may contain commas (HTML standard, "Parsing a srcset attribute")."""
    position = 0
    while (match := _CANDIDATE.match(srcset, position)) is not None:
        address = match[1]
        position = match.end(1) if address.endswith(",") else match.end()
        yield address.rstrip(",")
