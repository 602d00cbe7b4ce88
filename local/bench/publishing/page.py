"""The tables of the publish benchmark, and whether its aims are met."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from local.bench.publishing.measure import OURS, S5CMD
from local.bench.publishing.requests import KINDS

Json = dict[str, Any]
_FIRST, _ONE_PAGE = "first upload", "one page changed"
_REQUESTS, _TENTH, _MEMORY = 5, 0.1, 200_000_000
_SATURATED = 0.7


def ratio(by_tool: Json, tool: str) -> float:
    """Seconds of a tool by those of s5cmd."""
    return float(by_tool[tool]["seconds"] / by_tool[S5CMD]["seconds"])


def requests_text(requests: Mapping[str, int]) -> str:
    """`2 GET, 3 PUT`."""
    return ", ".join(f"{requests[kind]:,} {kind}" for kind in KINDS if requests.get(kind))


def aims(scenarios: Json) -> Iterator[tuple[str, bool]]:
    """Each aim with its figures, and whether it is met. Pure."""
    page, first = scenarios[_ONE_PAGE], scenarios[_FIRST]
    count = sum(page[OURS]["requests"].values())
    yield f"one page changed: {count} requests (at most {_REQUESTS})", count <= _REQUESTS
    found = ratio(page, OURS)
    yield f"one page changed: {found:.3f} of s5cmd's time (at most {_TENTH})", found <= _TENTH
    found = ratio(first, OURS)
    yield f"first upload: {found:.2f} of s5cmd's time (at most 1)", found <= 1
    peak = max(by_tool[OURS]["rss"] for by_tool in scenarios.values())
    yield f"memory: {peak / 1e6:.0f} MB at most (under {_MEMORY / 1e6:.0f})", peak < _MEMORY


def rate(scenarios: Json, tool: str) -> float:
    """PUTs a second in the first upload."""
    first = scenarios[_FIRST][tool]
    return float(first["requests"].get("PUT", 0) / first["seconds"])


def show(result: Json) -> None:
    """The tables."""
    out = Console(width=120)
    for files, size in result["sizes"].items():
        title = f"publishing: {int(files):,} files, medians of {size['rounds']}, {result['tools']}"
        table = Table("", "tool", "requests", title=title, title_justify="left")
        for name in ("MB sent", "seconds", "of s5cmd", "CPU s", "MB memory"):
            table.add_column(name, justify="right")
        for scenario, by_tool in size["scenarios"].items():
            for number, (tool, row) in enumerate(by_tool.items()):
                figures = (row["bytes"] / 1e6, row["seconds"], ratio(by_tool, tool), row["cpu"])
                texts = (f"{figure:.2f}" for figure in figures)
                label = "" if number else scenario
                table.add_row(label, tool, requests_text(row["requests"]), *texts, f"{row['rss'] / 1e6:.0f}")
            table.add_section()
        out.print(table)
        for line in remarks(size):
            print(line)
        print()


def remarks(size: Json) -> Iterator[str]:
    """What is to be known about the figures, and the aims."""
    scenarios, ceiling = size["scenarios"], size["ceiling"]
    yield f"The site was really built ({size['built_in']:.0f} s); what changes between two publishes is changed in the built files."
    yield "The rebuild without a change is of the same commit; with a new commit sitewright writes its books as well."
    rates = {tool: rate(scenarios, tool) for tool in scenarios[_FIRST]}
    said = ", ".join(f"{tool} {found:.0f}" for tool, found in rates.items())
    yield f"PUTs a second in the first upload: {said}; a bare client with 16 connections {ceiling:.0f}."
    if max(rates.values()) > _SATURATED * ceiling:
        yield "The endpoint is the bottleneck of the first upload: there the ratio says little about the tools."
    page = scenarios[_ONE_PAGE][OURS]
    yield (
        f"One page changed: {page['warm']:.2f} s of sitewright's {page['seconds']:.2f} s are the publish, the rest starts "
        "Python and botocore, which the workspace has loaded."
    )
    for text, met in aims(scenarios):
        yield f"{'met' if met else 'MISSED'}: {text}"
