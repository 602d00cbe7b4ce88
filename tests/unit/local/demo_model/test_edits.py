import json

import pytest

from sitewright.local.demo_model import page_edits

PAGE = """---
import Layout from "../layouts/Layout.astro";
const items = [["River sourdough", "6.50"]];
---

<Layout title="Menu">
  <main>
    <h1>Menu</h1>
    <p class="Menu">Bread {items.length}</p>
  </main>
</Layout>
"""
LAYOUT = 'const links = [\n  ["/", "Home"],\n  ["/menu/", "Menu"],\n];\n'


def test_text_cannot_become_markup_or_an_expression() -> None:
    assert page_edits.escape("<b>{1}</b> & more") == "&lt;b&gt;&#123;1&#125;&lt;/b&gt; &amp; more"
    page = page_edits.new_page('"}><script>{x}</script> ---')
    assert "<script>" not in page
    assert '<Layout title={"\\"}>\\u003cscript>{x}\\u003c/script> \\u002d--"}>' in page


@pytest.mark.parametrize("text", ['say "hi"', "a\\b", "---", "</title>", "${x} `y`", "漢字 🥐", "two\nlines"])
def test_a_literal_says_what_it_was_made_from(text: str) -> None:
    assert json.loads(page_edits.literal(text)) == text
    assert "\n" not in page_edits.literal(text)


def test_names_of_files_are_plain_short_and_not_the_same_for_all_foreign_titles() -> None:
    assert page_edits.slug("Grüße & Café") == "grusse-cafe"
    assert page_edits.slug("../../etc/passwd") == "etc-passwd"
    assert page_edits.slug("漢字") != page_edits.slug("かな")
    assert len(page_edits.slug("long " * 50_000)) <= 60


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("teal", "teal"),
        ("dark green please", "darkgreen"),
        ("#0af", "#0af"),
        ("#12", None),
        ("red;}", None),
        ("", None),
    ],
)
def test_colours(words: str, name: str | None) -> None:
    assert page_edits.colour(words) == name


def test_the_accent_colour_is_all_that_changes() -> None:
    css = ":root {\n  --accent: #abc;\n  --ink: #000;\n}\n"
    assert page_edits.recolour(css, "teal") == css.replace("#abc", "teal")


def test_a_line_goes_to_the_end_of_the_content() -> None:
    assert "    <h2>New</h2>\n  </main>" in page_edits.insert(PAGE, "<h2>New</h2>")


def test_only_the_text_is_replaced_not_the_markup() -> None:
    after = page_edits.replace(PAGE, "Menu", "<Carte>")
    assert "<h1>&lt;Carte&gt;</h1>" in after
    assert 'class="Menu"' in after
    assert page_edits.replace(PAGE, "items", "things") == PAGE
    assert page_edits.replace(PAGE, "Layout", "x") == PAGE


def test_words_in_the_front_matter_are_replaced_if_they_are_nowhere_else() -> None:
    after = page_edits.replace(PAGE, "River sourdough", 'Our "river" loaf')
    assert '[["Our \\"river\\" loaf", "6.50"]]' in after
    assert 'from "../layouts/Layout.astro"' in after


def test_the_navigation_gains_and_loses_an_entry() -> None:
    more = page_edits.link(LAYOUT, "/cakes/", 'Our "cakes"')
    assert '  ["/cakes/", "Our \\"cakes\\""],\n];' in more
    assert page_edits.link(more, "/cakes/", "again") == more
    assert page_edits.unlink(more, "/cakes/") == LAYOUT
    assert page_edits.link("<nav />", "/cakes/", "Cakes") == "<nav />"


def test_headings_that_nobody_worded_differ() -> None:
    page, seen = "<main>\n</main>\n", set()
    for _ in range(6):
        heading = page_edits.fresh_heading(page)
        seen.add(heading)
        page = page_edits.insert(page, f"<h2>{heading}</h2>")
    assert len(seen) == 6
    assert page_edits.fresh_heading("", 1) != page_edits.fresh_heading("", 0)


def test_the_text_of_a_file_comes_back_from_what_read_shows() -> None:
    shown = "     1→a\n     2→\n     3→  1\tb\u2028c\n     4→\n<system-reminder>\n  7\tnot this\n</system-reminder>"
    assert page_edits.without_line_numbers(shown) == "a\n\n  1\tb\u2028c\n"
