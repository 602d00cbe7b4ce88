"""Puts the last benchmark's figures into docs/publishing.md: `python -m tools.bench.publish_speed.update_page`.

Only the lines between the marks of a measured size change.
"""

import json
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from sitewright.local.machine.stack_home import REPOSITORY_ROOT
from sitewright.local.stack.stack_control import home_of
from tools.bench.publish_speed.report_tables import COLUMNS, figures, late, remarks, requests_text

Json = dict[str, Any]
PAGE = REPOSITORY_ROOT / "docs" / "publishing.md"
WIDTH = 118
"""The page's line length in characters."""


def section(files: int, size: Json) -> Iterator[str]:
    """One size's lines of Markdown. Pure."""
    rounds = "one round" if size["rounds"] == 1 else f"medians of {size['rounds']} rounds"
    yield from (f"## {files:,} files, {late(size)}{rounds}", "")
    yield f"| | tool | requests | {' | '.join(COLUMNS)} |"
    yield f"|---|---|---|{'---:|' * len(COLUMNS)}"
    for scenario, by_tool in size["scenarios"].items():
        for number, (tool, row) in enumerate(by_tool.items()):
            label = "" if number else scenario
            yield f"| {label} | {tool} | {requests_text(row['requests'])} | {' | '.join(figures(by_tool, tool))} |"
    yield ""
    for line in remarks(size):
        yield from textwrap.wrap(f"- {line}", WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def place(files: int, size: Json) -> str:
    """Under which mark a size's section is."""
    return f"{files}, {size['later_ms']} ms" if size["later_ms"] else str(files)


def replaced(page: str, place: str, lines: list[str]) -> str:
    """The page with a section written anew. Raises ValueError if the page has no place for it. Pure."""
    begin, end = f"<!-- measured: {place} -->", "<!-- end -->"
    found = re.compile(f"{re.escape(begin)}\\n.*?{re.escape(end)}", re.DOTALL)
    if not found.search(page):
        raise ValueError(f"the page has no {begin}")
    return found.sub(lambda _: "\n".join((begin, *lines, end)), page)


def main() -> int:
    """The command line."""
    result = json.loads((home_of().root / "bench.json").read_text())
    page = PAGE.read_text()
    for files, size in result["publishing"]["sizes"].items():
        page = replaced(page, place(int(files), size), list(section(int(files), size)))
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
