"""Text transforms of Astro pages and stylesheets. Pure."""

import re

FRESH_HEADINGS = ["Fresh from the oven", "Warm bread, every morning", "What we baked today", "Come in and say hello"]


def escape(text: str) -> str:
    """Text as it may stand in an Astro template: braces start expressions there, so they become entities too."""
    entities = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "{": "&#123;", "}": "&#125;"}
    return "".join(entities.get(c, c) for c in text)


def without_line_numbers(result: str) -> str:
    """A file's text from the result of Claude Code's Read tool, which puts a number and a tab or arrow before each line."""
    result = re.sub(r"<system-reminder>.*?</system-reminder>", "", result, flags=re.DOTALL)
    lines = [re.match(r"\s*\d+(?:\t|→)(.*)$", line) for line in result.splitlines()]
    return "\n".join(match[1] for match in lines if match) + "\n"


def fresh_heading(page: str) -> str:
    """A heading the page does not have yet."""
    for text in FRESH_HEADINGS:
        if text not in page:
            return text
    number = 2
    while f"{FRESH_HEADINGS[0]} ({number})" in page:
        number += 1
    return f"{FRESH_HEADINGS[0]} ({number})"


def insert(page: str, markup: str) -> str:
    """The page with a line of markup before the end of its content."""
    for closing in ("</main>", "</Layout>", "</Base>", "</body>", "</html>"):
        at = page.rfind(closing)
        if at >= 0:
            start = page.rfind("\n", 0, at) + 1
            indent = page[start:at] if not page[start:at].strip() else ""
            return f"{page[:start]}{indent}  {markup}\n{page[start:]}"
    return f"{page.rstrip()}\n{markup}\n"


def retitle(page: str, text: str) -> str:
    """The page with another first heading."""
    return re.sub(r"(<h1[^>]*>).*?(</h1>)", lambda m: m[1] + escape(text) + m[2], page, count=1, flags=re.DOTALL)


def recolour(css: str, colour: str) -> str:
    """The stylesheet with another accent colour."""
    return re.sub(r"(--accent:\s*)[^;]+;", lambda m: f"{m[1]}{colour};", css, count=1)


def broken(page: str) -> str:
    """The page with an expression that never ends: the build fails on it."""
    return insert(page, "<p>{ this is not closed </p>")
