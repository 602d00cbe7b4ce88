"""References that lead nowhere, and which of them are a reason to refuse."""

from collections.abc import Collection

import pytest

from sitewright.publishing.judgement.broken_links import (
    BASELINE_PATHS,
    References,
    baseline,
    broken_references,
    new_broken,
)
from sitewright.publishing.judgement.findings import Finding
from sitewright.publishing.pages.page_links import Link, LinkKind

KEYS = {"index.html", "about/index.html", "site.css", "me.jpg"}
GOOD = [Link("site.css", LinkKind.CODE), Link("about", LinkKind.LINK), Link("", LinkKind.LINK)]


def judged(
    *links: Link, before: Collection[str] = (), deletes: Collection[str] = (), keys: Collection[str] = KEYS
) -> Finding | None:
    found = References()
    found.add("index.html", {*GOOD, *links})
    return broken_references(found, new_broken(found.broken(keys), before), deletes)


@pytest.mark.parametrize(
    ("links", "says"),
    [
        ([Link("old/site.css", LinkKind.CODE)], "/old/site.css (in index.html)"),
        ([Link(f"old/{n}", LinkKind.LINK) for n in range(3)], "base"),
        ([Link(f"old/{n}.jpg", LinkKind.MEDIA) for n in range(3)], "/old/1.jpg"),
    ],
)
def test_pages_that_got_worse_are_refused(links: list[Link], says: str) -> None:
    finding = judged(*links)
    assert finding is not None and says in finding.text


@pytest.mark.parametrize(
    "links",
    [
        [],
        [Link("soon", LinkKind.LINK), Link("soon.jpg", LinkKind.MEDIA)],
        [Link(f"icon{n}", LinkKind.HINT) for n in range(9)],
    ],
)
def test_a_link_or_picture_that_never_was_there_is_no_reason(links: list[Link]) -> None:
    assert judged(*links) is None


def test_a_picture_that_this_publish_deletes_is_missed_and_a_page_that_it_deletes_is_not() -> None:
    assert judged(Link("hero.jpg", LinkKind.MEDIA), deletes={"hero.jpg"}) is not None
    assert judged(Link("team.html", LinkKind.LINK), deletes={"team.html"}) is None


def test_a_terminal_does_not_obey_a_path() -> None:
    finding = judged(Link("a\x1b[2J\nb\u202e.css", LinkKind.CODE))
    assert finding is not None and "/a\\x1b[2J\\nb\\u202e.css" in finding.text and finding.text.isprintable()


def test_what_was_broken_before_is_no_reason() -> None:
    old = [Link(f"old/{n}.css", LinkKind.CODE) for n in range(9)]
    assert judged(*old, before=[link.path for link in old]) is None
    assert judged(*old, Link("new.css", LinkKind.CODE), before=[link.path for link in old]) is not None


def test_the_gravest_use_of_a_path_counts() -> None:
    found = References()
    found.add("a.html", {Link("x", LinkKind.LINK)})
    found.add("b.html", {Link("x", LinkKind.CODE)})
    assert found.broken(set()) == {"x": (LinkKind.CODE, "a.html")}


def test_the_baseline_keeps_what_unchanged_pages_break() -> None:
    assert baseline(None, ["a"], KEYS, all_pages=True) == ["a"]
    assert baseline(None, ["a"], KEYS, all_pages=False) is None
    assert baseline(["b", "me.jpg"], ["a"], KEYS, all_pages=False) == ["a", "b"]
    assert baseline(["b"], ["a"], KEYS, all_pages=True) == ["a"]
    assert baseline([], [str(n) for n in range(BASELINE_PATHS + 1)], KEYS, all_pages=True) is None
