"""Writes the table of error codes and remedies into docs/operations.md: `python -m tools.error_table`."""

import re
from pathlib import Path

from sitewright.contracts.error_codes import ErrorCode

PAGE = Path(__file__).parents[1] / "docs" / "operations.md"
BEGIN, END = "<!-- error codes: written by `python -m tools.error_table` -->", "<!-- end of the error codes -->"


def table() -> str:
    """Return the Markdown table, one row a code, in the order of the catalogue."""
    rows = [f"| `{code.value}` | {code.reporter.value} | {code.remedy} |" for code in ErrorCode]
    return "\n".join(["| code | reported by | remedy |", "|---|---|---|", *rows])


def with_table(page: str) -> str:
    """Return the page with a fresh table between the two marks. Raises ValueError if the marks are missing."""
    marked = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not marked.search(page):
        raise ValueError(f"{PAGE.name} has no place for the table: {BEGIN} … {END}")
    return marked.sub(lambda _: f"{BEGIN}\n{table()}\n{END}", page)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
