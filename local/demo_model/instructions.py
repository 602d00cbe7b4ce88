"""What an instruction asks for, among the kinds the demo model knows. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "heading", "paragraph", "title", "replace", "colour", "page", "post", "break", "notes", "command", "none"
]


@dataclass(frozen=True)
class Request:
    """One understood instruction."""

    kind: Kind
    page: str = "index"
    text: str = ""
    old: str = ""
    count: int = 0
    seconds: float = 0.0


QUOTED = r"[\"“]([^\"”]+)[\"”]"
PAGE = r"(?:the\s+)?(?P<page>home\s?page|[a-z0-9-]+(?:\s+page)?)"


def understand(text: str) -> Request:
    """The request in a text; kind `none` where nothing is recognised."""
    for pattern, make in _PATTERNS:
        match = re.search(pattern, text, re.IGNORECASE | re.DOTALL)
        if match:
            return make(match)
    return Request("none")


def page_name(text: str | None) -> str:
    """The file name of a page as people call it: homepage → index."""
    name = re.sub(r"\s+page$", "", (text or "homepage").strip().lower())
    return "index" if name in {"home", "homepage", "home page", "front", "main"} else re.sub(r"[^a-z0-9-]+", "-", name)


def _at(match: re.Match[str]) -> str:
    return page_name(match.groupdict().get("page"))


_PATTERNS: list[tuple[str, Callable[[re.Match[str]], Request]]] = [
    (r"run the command:\s*`(?P<text>.*)`", lambda m: Request("command", text=m["text"])),
    (
        r"write (?P<n>\d+) notes(?: slowly)?(?:,? one)?(?:,? every (?P<s>[\d.]+) seconds?)?",
        lambda m: Request("notes", count=min(int(m["n"]), 200), seconds=float(m["s"] or 0)),
    ),
    (rf"introduce a syntax error (?:on|in) {PAGE}", lambda m: Request("break", _at(m))),
    (
        rf"add an? (?:new )?heading(?:[^\"“.]*?(?:saying|titled|called)\s+{QUOTED})?(?:\s+to\s+{PAGE})?",
        lambda m: Request("heading", _at(m), text=m[1] or ""),
    ),
    (rf"add a (?:new )?paragraph\s+{QUOTED}(?:\s+to\s+{PAGE})?", lambda m: Request("paragraph", _at(m), text=m[1])),
    (
        rf"change the (?:title|headline|heading) (?:of|on) {PAGE} to {QUOTED}",
        lambda m: Request("title", _at(m), text=m[2]),
    ),
    (rf"replace {QUOTED} with {QUOTED}(?: on {PAGE})?", lambda m: Request("replace", _at(m), old=m[1], text=m[2])),
    (
        r"change the (?:accent |background |main )?colou?r(?: scheme)? to (?P<text>#?[a-z0-9]+)",
        lambda m: Request("colour", text=m["text"].lower()),
    ),
    (rf"add an? (?:new )?(?:journal|blog) post (?:titled|called) {QUOTED}", lambda m: Request("post", text=m[1])),
    (rf"add an? (?:new )?page (?:titled|called) {QUOTED}", lambda m: Request("page", text=m[1])),
]
