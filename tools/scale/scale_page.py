"""Writes the table of quotas into docs/scale.md."""

import re
from collections.abc import Mapping
from pathlib import Path

from tools.scale.growth import Template, growth
from tools.scale.quotas import load

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
BEGIN, END = "<!-- quotas: written by `python -m tools.scale` -->", "<!-- end of the quotas -->"
NUMBERS = (1, 50, 1000)


def table(templates: Mapping[str, Template], plain: str, https: str, sites_of_a_cdn: int) -> str:
    """Returns the Markdown table. `plain` and `https` are clients whose sites stand for their kind."""
    heads = [
        "counted",
        "a site",
        "with `https`",
        *(f"{n:,} `https`" for n in NUMBERS),
        "quota",
        "sites",
        "`https` sites",
        "raised",
    ]
    rows = []
    for quota in load().values():
        one = growth(templates, quota, plain, sites_of_a_cdn)
        secure = growth(templates, quota, https, sites_of_a_cdn)
        per_site = f"{secure.a_site}" + (f" + {secure.a_cdn} for {sites_of_a_cdn}" if secure.a_cdn else "")
        held = [_held(found.sites_below(quota.quota)) for found in (one, secure)]
        name = f"[{quota.what}]({quota.source})" + ("" if quota.checked else " *")
        cells = [
            name,
            one.a_site,
            per_site,
            *(f"{secure.at(n):,}" for n in NUMBERS),
            f"{quota.quota:,}",
            *held,
            quota.raised,
        ]
        rows.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *rows])


def with_table(page: str, made: str) -> str:
    """Returns the page with the table between the two marks. Raises ValueError if the marks are missing."""
    marked = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not marked.search(page):
        raise ValueError(f"{PAGE.name} has no place for the table: {BEGIN} … {END}")
    return marked.sub(lambda _: f"{BEGIN}\n{made}\n{END}", page)


def _held(sites: int | None) -> str:
    return "any" if sites is None or sites >= 1_000_000 else f"{sites:,}"
