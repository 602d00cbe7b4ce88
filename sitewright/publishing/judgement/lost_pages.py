"""Judges the pages that vanish, and whether the edit tells why. Pure.

A generator may end well without most of its pages: a feed did not answer, a submodule is empty, a query found nothing. Such
pages have nothing to do with the edit. A client who wants pages to go has their sources changed.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sitewright.contracts.error_codes import ErrorCode
from sitewright.publishing.judgement.findings import Finding, counted, named
from sitewright.publishing.pages.addresses import page_addresses, shown

LEAST_LOST = 3
"""Fewer lost pages are told, never refused: on a small site two are soon renamed."""

LOST_SHARE = 0.1
"""The share of the live pages that may vanish without a reason. News sites and shops turn over between two commands."""

_EXAMINED = 300
"""So many of the lost pages are looked for in the diff. With more the share of the found ones counts."""

_SHORT = 3
"""A shorter name, or a number, is in every diff: pages of an archive. It tells nothing."""

_SEPARATORS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Edit:
    """What changed since the live deployment."""

    paths: tuple[str, ...] = ()
    """The changed, added and deleted paths of the repository."""
    text: str = ""
    """The changed lines. A part of them, if there are many."""
    empty_submodules: tuple[str, ...] = ()
    """Folders of submodules that the checkout does not have."""


def vanished(live: Iterable[str], keys: Iterable[str]) -> list[str]:
    """Returns the keys of live pages whose address the build does not have, sorted."""
    now = page_addresses(keys)
    return sorted(key for address, key in page_addresses(live).items() if address not in now)


def is_many(lost: int, live: int) -> bool:
    """Tells whether so many lost pages need a reason."""
    return lost >= LEAST_LOST and lost > live * LOST_SHARE


def missing_pages(live: Collection[str], keys: Collection[str], edit: Edit) -> Finding | None:
    """Returns a finding if more pages vanish than may, and the edit does not tell why.

    Args:
        live: the keys that are live.
        keys: the keys of the build.
        edit: what changed since.
    """
    pages, now = page_addresses(live), page_addresses(keys)
    lost = vanished(live, keys)
    if not is_many(min(len(lost), len(pages) - len(now)), len(pages)):
        return None
    sample = lost[:: -(-len(lost) // _EXAMINED)]
    unexplained = unexplained_pages(sample, edit)
    number = round(len(unexplained) / len(sample) * len(lost))
    # Tag pages, archives and translations vanish with the pages that they list.
    if number <= len(lost) - number or not is_many(min(number, len(pages) - len(now)), len(pages)):
        return None
    text = (
        f"{counted(number, 'page')} of {len(pages):,} would vanish, and nothing in the edit tells why: "
        f"{named([shown(key) for key in unexplained], number)}. Is something silent or empty that the build reads, such as a feed?"
    )
    if edit.empty_submodules:
        text += f" These submodules are empty: {named(edit.empty_submodules)}."
    return Finding(ErrorCode.PAGES_MISSING, text)


def unexplained_pages(lost: Sequence[str], edit: Edit) -> list[str]:
    """Returns the lost pages that no changed path, line or route names."""
    text = f"-{slug(' '.join(edit.paths))}-{slug(edit.text)}-"
    routes = _dynamic_routes(edit.paths)
    if "" in routes:
        return []
    found = []
    for key in lost:
        parts = [slug(part) for part in shown(key).strip("/").removesuffix(".html").split("/")]
        folders = {"/".join(parts[:count]) for count in range(1, len(parts) + 1)}
        if not folders & routes and not _is_named(parts[-1], text):
            found.append(key)
    return found


def slug(text: str) -> str:
    """Returns a text as it may stand in an address: lower case, words joined by hyphens."""
    return _SEPARATORS.sub("-", text.lower()).strip("-")


def _is_named(name: str, text: str) -> bool:
    return len(name) >= _SHORT and not name.isdigit() and f"-{name}-" in text


def _dynamic_routes(paths: Iterable[str]) -> set[str]:
    """Returns the folders of changed routes that make many pages: `blog` for `src/pages/blog/[slug].astro`."""
    routes = set()
    for path in paths:
        parts = path.split("/")
        if "pages" in parts and any("[" in part for part in parts):
            below = parts[parts.index("pages") + 1 :]
            fixed = below[: next(number for number, part in enumerate(below) if "[" in part)] if below else []
            routes.add("/".join(slug(part) for part in fixed))
    return routes
