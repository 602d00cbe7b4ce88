"""Judges the references of changed pages that lead nowhere. Pure.

A site may have been broken for years, and link to what another server answers. So only references count that the live
deployment did not have.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sitewright.contracts.error_codes import ErrorCode
from sitewright.publishing.judgement.findings import Finding, counted, named
from sitewright.publishing.pages.addresses import is_served
from sitewright.publishing.pages.page_links import Link, LinkKind

BASELINE_PATHS = 1_000
"""So many broken paths are kept in a manifest. A site with more is told of them, and never refused."""

NAMED_PATHS = 500_000
"""So many paths of changed pages are looked at. A site has at most 100,000 files."""

LEAST_BROKEN = 3
BROKEN_SHARE = 0.5
"""With so many broken paths, and this share of all that the changed pages name, the pages look for their files elsewhere: a
wrong `base`, or a moved output."""


@dataclass
class References:
    """The references of a publish's changed pages to their own host."""

    named: dict[str, tuple[LinkKind, str]] = field(default_factory=dict)
    """Path, with its gravest kind and the first page that names it."""

    _seen: set[Link] = field(default_factory=set, repr=False)

    def add(self, page: str, links: set[Link]) -> None:
        """Adds the references of a page or stylesheet."""
        # Most pages of a site name what others name.
        new = links - self._seen
        if len(self._seen) < NAMED_PATHS:
            self._seen |= new
        for path, kind in new:
            known = self.named.get(path)
            if (known is None and len(self.named) < NAMED_PATHS) or (known is not None and kind < known[0]):
                self.named[path] = (kind, page if known is None else known[1])

    def broken(self, keys: Collection[str]) -> dict[str, tuple[LinkKind, str]]:
        """Returns the references that the site does not answer, sorted by path.

        Args:
            keys: what the bucket has after the publish.
        """
        return {path: self.named[path] for path in sorted(self.named) if not is_served(path, keys)}


def baseline(
    before: Collection[str] | None, broken: Collection[str], keys: Collection[str], *, all_pages: bool
) -> list[str] | None:
    """Returns the broken paths of the site after a publish; None if they are unknown, or too many.

    Args:
        before: the broken paths of the live deployment.
        broken: those of the changed pages.
        keys: what the bucket has after the publish.
        all_pages: whether all pages changed. Else those of the other pages remain.
    """
    if before is None and not all_pages:
        return None
    kept = [] if all_pages else [path for path in before or () if not is_served(path, keys)]
    found = sorted({*kept, *broken})
    return found if len(found) <= BASELINE_PATHS else None


def new_broken(
    broken: Mapping[str, tuple[LinkKind, str]], before: Collection[str] | None
) -> dict[str, tuple[LinkKind, str]]:
    """Returns the broken references that the live deployment did not have. All, if those are unknown."""
    known = set(before or ())
    return {path: found for path, found in broken.items() if path not in known}


def broken_references(
    references: References, new: Mapping[str, tuple[LinkKind, str]], deletes: Collection[str]
) -> Finding | None:
    """Returns a finding if changed pages would look or work worse than before.

    Args:
        references: all references of the changed pages.
        new: those that lead nowhere now, and did not before.
        deletes: the keys that the publish would delete.
    """
    seen = {path: found for path, found in new.items() if found[0] is not LinkKind.HINT}
    code = {path: found for path, found in seen.items() if found[0] is LinkKind.CODE}
    deleted = {path: found for path, found in seen.items() if found[0] is LinkKind.MEDIA and path in deletes}
    many = len(seen) >= LEAST_BROKEN and len(seen) >= BROKEN_SHARE * len(references.named)
    worse = seen if many else code | deleted
    if not worse:
        return None
    text = (
        f"{counted(len(worse), 'path')} that changed pages name would lead nowhere on the site: {listed(worse)}. "
        "Neither the build nor the live site has them."
    )
    if many:
        text += " Does a setting such as `base` put another path before them?"
    return Finding(ErrorCode.BROKEN_REFERENCES, text)


def listed(broken: Mapping[str, tuple[LinkKind, str]]) -> str:
    """Names broken paths, each with a page that has it, the gravest first."""
    by_weight = sorted(broken.items(), key=lambda item: (item[1][0], item[0]))
    return named([f"/{path} (in {page})" for path, (_, page) in by_weight])
