"""Text transforms of Astro pages, layouts and stylesheets. Pure."""

import hashlib
import json
import re
import unicodedata

FRESH_HEADINGS = ["Fresh from the oven", "Warm bread, every morning", "What we baked today", "Come in and say hello"]

COLOURS = frozenset(
    re.findall(
        r"\w+",
        """aqua aquamarine black blue blueviolet brown burlywood cadetblue chartreuse chocolate coral cornflowerblue crimson
    cyan darkblue darkcyan darkgoldenrod darkgray darkgreen darkgrey darkkhaki darkmagenta darkolivegreen darkorange
    darkorchid darkred darksalmon darkseagreen darkslateblue darkslategray darkslategrey darkturquoise darkviolet deeppink
    deepskyblue dimgray dimgrey dodgerblue firebrick forestgreen fuchsia gold goldenrod gray green greenyellow grey hotpink
    indianred indigo khaki lavender lightblue lightcoral lightgreen lightpink lightseagreen lightskyblue lime limegreen
    magenta maroon mediumblue mediumorchid mediumpurple mediumseagreen mediumslateblue mediumvioletred midnightblue navy
    olive olivedrab orange orangered orchid palegreen palevioletred peru pink plum powderblue purple rebeccapurple red
    rosybrown royalblue saddlebrown salmon sandybrown seagreen sienna silver skyblue slateblue slategray slategrey
    springgreen steelblue tan teal thistle tomato turquoise violet white yellow yellowgreen""",
    )
)


def escape(text: str) -> str:
    """Text as it may stand in an Astro template: braces start expressions there, so they become entities too."""
    entities = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "{": "&#123;", "}": "&#125;"}
    return "".join(entities.get(c, c) for c in text)


def literal(text: str) -> str:
    """Returns text as a quoted string. JavaScript and YAML read it alike, and Astro's parser accepts every character."""
    return json.dumps(text, ensure_ascii=False).replace("<", "\\u003c").replace("---", "\\u002d--")


def slug(text: str) -> str:
    """A file name for a title; one in a script without Latin letters gets a digest."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "-", plain.lower())[:60].strip("-")
    return name or f"page-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:8]}"


def colour(words: str) -> str | None:
    """A CSS colour as people write it ("dark green, please"), or None."""
    if words.startswith("#"):
        code = words.split(maxsplit=1)[0]
        return code if re.fullmatch(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", code) else None
    parts = re.split(r"[ -]", words)
    return next((name for n in (3, 2, 1) if (name := "".join(parts[:n])) in COLOURS), None)


def without_line_numbers(result: str) -> str:
    """A file's text from the result of Claude Code's Read tool, which puts a number and a tab or arrow before each line.

    It shows an empty line after a last line break, so that every edit would make the file one line longer.
    """
    result = re.sub(r"<system-reminder>.*?</system-reminder>", "", result, flags=re.DOTALL)
    lines = [re.match(r"\s*\d+(?:\t|→)(.*)$", line) for line in result.split("\n")]
    return "\n".join(match[1] for match in lines if match).rstrip("\n") + "\n"


def has_heading(page: str, text: str) -> bool:
    """Whether a heading reads like this already."""
    return re.search(rf"<h[1-6][^>]*>\s*{re.escape(escape(text))}\s*</h[1-6]>", page) is not None


def fresh_heading(page: str, number: int = 0) -> str:
    """A heading the page does not have yet; another number begins with another one."""
    at = number % len(FRESH_HEADINGS)
    choice = FRESH_HEADINGS[at:] + FRESH_HEADINGS[:at]
    for text in choice:
        if text not in page:
            return text
    repeat = 2
    while f"{choice[0]} ({repeat})" in page:
        repeat += 1
    return f"{choice[0]} ({repeat})"


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


def replace(page: str, old: str, new: str) -> str:
    """The page with other words: in its text, or else in the strings of its front matter; never in markup or code."""
    fence = re.match(r"---\n.*?\n---\n", page, re.DOTALL)
    front, body = (fence[0], page[fence.end() :]) if fence else ("", page)
    parts = re.split(r"(<[^>]*>|\{[^{}]*\})", body)
    parts[::2] = [text.replace(escape(old), escape(new)) for text in parts[::2]]
    if "".join(parts) != body:
        return front + "".join(parts)
    was, now = literal(old)[1:-1], literal(new)[1:-1]
    lines = [
        line
        if line.startswith("import ")
        else re.sub(r'"(?:[^"\\]|\\.)*"', lambda string: string[0].replace(was, now), line)
        for line in front.split("\n")
    ]
    return "\n".join(lines) + body


def recolour(css: str, name: str) -> str:
    """The stylesheet with another accent colour."""
    return re.sub(r"(--accent:\s*)[^;]+;", lambda m: f"{m[1]}{name};", css, count=1)


def link(layout: str, address: str, title: str) -> str:
    """The layout with one more entry at the end of its navigation; unchanged if it has no list of links, or has it."""
    if f'["{address}"' in layout:
        return layout
    return re.sub(
        r"(const links = \[\n(?:.*\n)*?)(\];)",
        lambda m: f'{m[1]}  ["{address}", {literal(title)}],\n{m[2]}',
        layout,
        count=1,
    )


def unlink(layout: str, address: str) -> str:
    """The layout without an entry of its navigation."""
    return re.sub(rf'^\s*\["{re.escape(address)}", .*\],\n', "", layout, flags=re.MULTILINE)


_MISTAKE = "<p>{ this is not closed </p>"
_STUBBORN = "<p>{ nor is this, and nobody knows why </p>"


def broken(page: str, *, stubborn: bool = False) -> str:
    """The page with an expression that never ends: the build fails on it. A stubborn one `repaired` does not find."""
    return insert(page, _STUBBORN if stubborn else _MISTAKE)


def repaired(page: str) -> str:
    """The page without such a mistake."""
    return "".join(line for line in page.splitlines(keepends=True) if line.strip() != _MISTAKE)


def new_page(title: str) -> str:
    """An Astro page that has a title and nothing else yet."""
    return (
        '---\nimport Layout from "../layouts/Layout.astro";\n---\n\n'
        f"<Layout title={{{literal(title)}}}>\n  <main>\n    <h1>{escape(title)}</h1>\n  </main>\n</Layout>\n"
    )


def new_post(title: str, date: str) -> str:
    """An entry of the journal."""
    return f'---\ntitle: {literal(title)}\ndate: {date}\nsummary: "News from the bakery."\n---\n\nMore about it soon.\n'
