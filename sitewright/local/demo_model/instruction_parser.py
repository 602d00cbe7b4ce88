"""Recognises the kinds of edit that the demo model knows in an instruction. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "heading",
    "paragraph",
    "title",
    "replace",
    "colour",
    "page",
    "post",
    "delete",
    "break",
    "repair",
    "combine",
    "notes",
    "command",
    "none",
]


@dataclass(frozen=True)
class EditRequest:
    """One understood instruction."""

    kind: Kind
    page: str = "index"
    text: str = ""
    old: str = ""
    count: int = 0
    seconds: float = 0.0


QUOTED = r"(\"[^\"]+\"|“[^”]+”|„[^“”\"]+[“”\"]|«[^»]+»|‘(?:[^’]|’(?=\w))+’|'(?:[^']|'(?=\w))+'(?!\w))"
"""One group, quotation marks included."""
PAGE = r"(?:(?:the|our|my)\s+)?(?P<page>home\s?page|[a-z0-9-]+(?:\s+page)?)"
_CALLED = r"(?:saying|titled|called|named|that says)\s*:?\s+"


def understand(text: str) -> EditRequest:
    """The request in a text, the first where there are several; kind `none` where nothing is recognised.

    The first in the text, not in the list: the title of a page may read like another instruction.
    """
    found = [(match.start(), make, match) for pattern, make in _PATTERNS if (match := pattern.search(text))]
    if not found:
        return EditRequest("none")
    _, make, match = min(found, key=lambda entry: entry[0])
    return make(match)


def page_name(text: str | None) -> str:
    """The file name of a page as people call it: homepage → index."""
    name = re.sub(r"\s+page$", "", (text or "homepage").strip().lower())
    if name in {"home", "homepage", "home page", "front", "main"}:
        return "index"
    return re.sub(r"[^a-z0-9-]+", "-", name)


def _at(match: re.Match[str]) -> str:
    return page_name(match.groupdict().get("page"))


def _inner(quoted: str | None) -> str:
    return quoted[1:-1].strip() if quoted else ""


def _heading(match: re.Match[str]) -> EditRequest:
    # "to the menu page saying …" names the page before the text.
    before = re.search(rf"\b(?:to|on)\s+{PAGE}", match["between"] or "", re.IGNORECASE)
    page = match["page"] or (before["page"] if before else None)
    return EditRequest("heading", page_name(page), text=_inner(match["quoted"]) or (match["plain"] or "").strip())


_RULES: list[tuple[str, Callable[[re.Match[str]], EditRequest]]] = [
    (r"run the command:\s*`(?P<text>[\s\S]*)`", lambda m: EditRequest("command", text=m["text"])),
    (
        r"write (?P<n>\d{1,6}) notes(?: slowly)?(?:,? one)?(?:,? every (?P<s>\d+(?:\.\d+)?) seconds?)?",
        lambda m: EditRequest("notes", count=min(int(m["n"]), 200), seconds=float(m["s"] or 0)),
    ),
    (
        rf"introduce a (?P<stubborn>stubborn )?syntax error (?:on|in) {PAGE}",
        lambda m: EditRequest("break", _at(m), text="stubborn" if m["stubborn"] else ""),
    ),
    # What a build's log says follows: the page it names is the one to look at.
    (
        r"the build of the website fails after your edit(?:[\s\S]*?src/pages/(?P<page>[a-z0-9-]+)(?:/index)?\.astro)?",
        lambda m: EditRequest("repair", _at(m)),
    ),
    # The build step's conflict with what another session made live.
    (r"these files now have git's conflict markers", lambda m: EditRequest("combine")),
    (
        r"add an? (?:new )?heading"
        rf"(?:(?P<between>[^\"“„«.]*?){_CALLED}(?:(?P<quoted>{QUOTED})|"
        r"(?P<plain>[^\s\"“„«‘'][^.\n\"“]{0,80}?)(?=\s+(?:to|on)\s+the\s|[.\n]|$)))?"
        rf"(?:\s+(?:to|on)\s+{PAGE})?",
        _heading,
    ),
    (
        rf"add an? (?:new )?paragraph\s*(?:{_CALLED})?:?\s*{QUOTED}(?:\s+(?:to|on)\s+{PAGE})?",
        lambda m: EditRequest("paragraph", _at(m), text=_inner(m[1])),
    ),
    (
        rf"change the (?:title|headline|heading) (?:of|on) {PAGE} to {QUOTED}",
        lambda m: EditRequest("title", _at(m), text=_inner(m[2])),
    ),
    (
        rf"replace {QUOTED} (?:with|by) {QUOTED}(?:\s+(?:on|in)\s+{PAGE})?",
        lambda m: EditRequest("replace", _at(m), old=_inner(m[1]), text=_inner(m[2])),
    ),
    (
        r"change the (?:accent |background |main )?colou?r(?: scheme)? to "
        r"(?:an? )?[\"“']?(?P<text>#?[a-z0-9]+(?:[ -][a-z]+){0,2})",
        lambda m: EditRequest("colour", text=m["text"].lower()),
    ),
    (
        rf"add an? (?:new )?(?:(?:journal|blog) )?(?:post|entry) {_CALLED}{QUOTED}",
        lambda m: EditRequest("post", text=_inner(m[1])),
    ),
    (rf"add an? (?:new )?page {_CALLED}{QUOTED}", lambda m: EditRequest("page", text=_inner(m[1]))),
    (rf"(?:delete|remove) the page (?:{_CALLED})?{QUOTED}", lambda m: EditRequest("delete", text=_inner(m[1]))),
    (
        r"(?:delete|remove) (?:the )?(?P<page>home\s?page|[a-z0-9-]+ page)\b",
        lambda m: EditRequest("delete", _at(m), text=page_name(m["page"])),
    ),
]
_PATTERNS = [(re.compile(pattern, re.IGNORECASE), make) for pattern, make in _RULES]
