"""Pages that vanish, and what the edit tells of them."""

import pytest

from sitewright.contracts.error_codes import ErrorCode
from sitewright.publishing.judgement.lost_pages import Edit, missing_pages, unexplained_pages, vanished

POSTS = [f"posts/post-number-{n}/index.html" for n in range(40)]
SITE = ["index.html", "about/index.html", *POSTS]
TYPO = Edit(("src/pages/index.astro",), "-<h1>Hous</h1>\n+<h1>House</h1>")


def test_pages_that_a_typo_does_not_explain_are_missed() -> None:
    finding = missing_pages(SITE, SITE[:2], TYPO)
    assert finding is not None and finding.code is ErrorCode.PAGES_MISSING
    assert "40 pages of 42" in finding.text and "/posts/post-number-10/" in finding.text


@pytest.mark.parametrize(
    "edit",
    [
        Edit(tuple(f"src/content/posts/post-number-{n}.md" for n in range(40))),
        Edit(("data/posts.json",), "".join(f'-  {{"title": "Post Number {n}"}},\n' for n in range(40))),
        Edit(("src/pages/posts/[slug].astro",)),
        Edit(("src/pages/[...path].astro",)),
        Edit(tuple(f"src/content/posts/2024-05-04-post_number_{n}.mdx" for n in range(40))),
    ],
    ids=["deleted sources", "a data file", "the route", "the root's route", "dated names"],
)
def test_pages_whose_sources_were_touched_may_go(edit: Edit) -> None:
    assert missing_pages(SITE, SITE[:2], edit) is None


def test_the_pages_of_an_archive_go_with_their_posts() -> None:
    site = [
        *SITE,
        *(f"posts/page/{n}/index.html" for n in range(2, 6)),
        *(f"tags/tag{n}/index.html" for n in range(20)),
    ]
    edit = Edit(tuple(f"src/content/posts/post-number-{n}.md" for n in range(40)))
    assert missing_pages(site, SITE[:2], edit) is None


def test_a_few_pages_and_a_small_share_are_told_only() -> None:
    assert missing_pages(["index.html", "a.html", "b.html"], ["index.html"], Edit()) is None
    large = [f"p{n}.html" for n in range(1000)]
    assert missing_pages(large, large[:900], Edit()) is None
    assert missing_pages(large, large[:899], Edit()) is not None


def test_a_site_that_turns_over_or_changes_its_format_loses_nothing() -> None:
    assert missing_pages(SITE, [*SITE[:2], *(f"news/n{n}.html" for n in range(40))], TYPO) is None
    flat = [key.replace("/index.html", ".html") for key in SITE]
    assert vanished(SITE, flat) == [] and missing_pages(SITE, flat, TYPO) is None


def test_a_first_publish_loses_nothing() -> None:
    assert missing_pages([], ["index.html"], Edit()) is None


def test_numbers_and_short_names_in_the_diff_explain_nothing() -> None:
    assert unexplained_pages(["page/2/index.html", "a/index.html"], Edit(("src/a.astro",), "+ 2 a")) == [
        "page/2/index.html",
        "a/index.html",
    ]


def test_an_empty_submodule_is_named_as_a_cause() -> None:
    finding = missing_pages(SITE, SITE[:2], Edit(empty_submodules=("content/posts",)))
    assert finding is not None and "content/posts" in finding.text


def test_thousands_of_lost_pages_are_judged_by_a_sample() -> None:
    site = ["index.html", *(f"p/item-{n}/index.html" for n in range(20_000))]
    half = Edit((), "\n".join(f"-item-{n}" for n in range(0, 20_000)))
    assert missing_pages(site, site[:1], half) is None
    finding = missing_pages(site, site[:1], TYPO)
    assert finding is not None and "20,000 pages" in finding.text and "and 19,990 more" in finding.text
