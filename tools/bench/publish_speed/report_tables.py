"""The tables of the publish benchmark, and whether its aims are met."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.bench.publish_speed.measure_publishes import OURS, S5CMD
from tools.bench.publish_speed.request_kinds import KINDS
from tools.bench.publish_speed.scenarios import ONE_PAGE, ROLLBACKS

Json = dict[str, Any]
_FIRST = "first upload"
COLUMNS = ("MB sent", "seconds", "of s5cmd", "publish alone", "of s5cmd", "CPU s", "MB memory")
_REQUESTS, _TENTH, _MEMORY = 5, 0.1, 200_000_000
_SATURATED = 0.7


def ratio(by_tool: Json, tool: str, seconds: str = "seconds") -> float:
    """Returns a tool's seconds divided by those of s5cmd. With `warm` the seconds are those of the publish alone."""
    return float(by_tool[tool][seconds] / by_tool[S5CMD]["seconds"])


def figures(by_tool: Json, tool: str) -> list[str]:
    """A row's COLUMNS. The publish alone is told for sitewright only: the others are processes of their own in use too."""
    row, beside = by_tool[tool], S5CMD in by_tool
    alone = [f"{row['warm']:.2f}" if "warm" in row else ""]
    alone.append(f"{ratio(by_tool, tool, 'warm'):.2f}" if "warm" in row and beside else "")
    whole = [f"{row['seconds']:.2f}", f"{ratio(by_tool, tool):.2f}" if beside else ""]
    return [f"{row['bytes'] / 1e6:.2f}", *whole, *alone, f"{row['cpu']:.2f}", f"{row['rss'] / 1e6:.0f}"]


def requests_text(requests: Mapping[str, int]) -> str:
    """`2 GET, 3 PUT`."""
    return ", ".join(f"{requests[kind]:,} {kind}" for kind in KINDS if requests.get(kind))


def aims(scenarios: Json) -> Iterator[tuple[str, bool]]:
    """Each aim with its figures, and whether it is met. Pure."""
    page, first = scenarios[ONE_PAGE], scenarios[_FIRST]
    count = sum(page[OURS]["requests"].values())
    yield f"one page changed: {count} requests (at most {_REQUESTS})", count <= _REQUESTS
    found = ratio(page, OURS, "warm")
    yield (
        f"one page changed: the publish, as a workspace does it, takes {found:.3f} of s5cmd's time (at most {_TENTH}); "
        f"with the start of Python and botocore {ratio(page, OURS):.3f}",
        found <= _TENTH,
    )
    found = ratio(first, OURS)
    yield (
        f"first upload: {found:.2f} of s5cmd's time (at most 1), the start of Python and botocore included; the publish "
        f"alone {ratio(first, OURS, 'warm'):.2f}",
        found <= 1,
    )
    peak = max(by_tool[OURS]["rss"] for by_tool in scenarios.values())
    yield f"memory: {peak / 1e6:.0f} MB at most (under {_MEMORY / 1e6:.0f})", peak < _MEMORY


def late(size: Json) -> str:
    """Returns the endpoint's added delay as text, with a comma after it."""
    return f"each request {size['later_ms']} ms later, " if size["later_ms"] else ""


def rate(scenarios: Json, tool: str) -> float:
    """PUTs a second in the first upload."""
    first = scenarios[_FIRST][tool]
    return float(first["requests"].get("PUT", 0) / first["seconds"])


def way_back(scenarios: Json, name: str) -> str:
    """Compares a rollback with the publish of the same files. Pure."""
    back, there = scenarios[name][OURS], scenarios[ROLLBACKS[name]][OURS]
    checked = there["warm"] + there["check"]
    return (
        f"{name[0].upper()}{name[1:]}: the site is back after {back['back']:.2f} s, {back['back'] / there['warm']:.2f} of the "
        f"publish ({ROLLBACKS[name]}: {there['warm']:.2f} s); compared with the bucket after {back['warm']:.2f} s, "
        f"{back['warm'] / checked:.2f} of that publish and the listing that RecordSync does after it ({checked:.2f} s)."
    )


def show(result: Json) -> None:
    """The tables."""
    out = Console(width=140)
    for files, size in result["sizes"].items():
        title = f"publishing: {int(files):,} files, medians of {size['rounds']}, {late(size)}{result['tools']}"
        table = Table("", "tool", "requests", title=title, title_justify="left")
        for name in COLUMNS:
            table.add_column(name, justify="right")
        for scenario, by_tool in size["scenarios"].items():
            for number, (tool, row) in enumerate(by_tool.items()):
                label = "" if number else scenario
                table.add_row(label, tool, requests_text(row["requests"]), *figures(by_tool, tool))
            table.add_section()
        out.print(table)
        for line in remarks(size):
            print(line)
        print()


def remarks(size: Json) -> Iterator[str]:
    """Returns the notes on the figures, and the aims."""
    scenarios, ceiling = size["scenarios"], size["ceiling"]
    yield f"The site was really built ({size['built_in']:.0f} s); what changes between two publishes is changed in the built files."
    yield "The rebuild without a change is of the same commit; with a new commit sitewright writes its manifests as well."
    rates = {tool: rate(scenarios, tool) for tool in scenarios[_FIRST]}
    said = ", ".join(f"{tool} {found:.0f}" for tool, found in rates.items())
    yield f"PUTs a second in the first upload: {said}; a bare client with 16 connections {ceiling:.0f}."
    if max(rates.values()) > _SATURATED * ceiling:
        yield "The endpoint is the bottleneck of the first upload: there the ratio says little about the tools."
    yield from (way_back(scenarios, name) for name in ROLLBACKS)
    low, high = size["load"]
    yield f"{size['at']}, {size['cpus']} cores, load {low} to {high} after a round, the endpoint and the tools on the same cores."
    for text, met in aims(scenarios):
        yield f"{'met' if met else 'MISSED'}: {text}"
