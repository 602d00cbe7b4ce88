"""docs/cost.md from the counts. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tools.cost.bill import Row, TaskSize, bill, month
from tools.cost.prices import Price

Json = dict[str, Any]

HEAD = """# What it costs

Written by `make cost` ({at}, {cpus} CPUs, load {load:.0f}): calls and seconds counted in a run of the local stack, times
list prices of us-west-2, without free tiers, taxes and the model. Do not edit it; edit `tools/cost/`.

| | dollars | of it Fargate | billed seconds |
|---|---|---|---|
{summary}

A first message pays for the workspace's start and for the {idle:.0f} s that it waits in vain for another one.
A following message pays for its own time and for the pause before it: {pause:.0f} s here, at most {idle:.0f}.
The wait at the end only moves. With `idleSeconds: 0` each message starts a task, which ends with it.

## Assumptions

- Fargate takes {start:.1f} s to start (45 to 70 s are known), billed from the image pull on. A task is billed for a minute
  at least. The local run's processes start at once.
- The model is a small stand-in that answers at once: {model:.0f} s are added for a real one. What the model costs comes on
  top (`maxBudgetUsd` limits it).
- The demo site has a handful of files, and one page changed. Seconds of install and build are those of the machine that
  counted, with its other work: the load above is that of its last minute.
- Lambda: the emulator's durations on that machine, warm. A cold start now and then is not counted.
- A task token has {token} bytes; the emulator's are shorter. Where a write does not tell its item's size, it is the size
  that the item had in the end.
- Lambda's pollers ask the input queue {polls} times a minute whether or not a message comes: five pollers with long
  polls of 20 s. That is known of standard queues. For a FIFO queue it is an assumption.
- Custom metrics are billed for each hour in which a value is sent. The first message of an hour pays for all
  sites, the following ones do not. The first ten metrics of an account are free.
- Left out: data transfer to visitors and to the model, DynamoDB's storage and backups (kilobytes), stored logs ($0.03 a
  GB month), the client's own requests.
"""


def tables(counts: Any, prices: Mapping[str, Price], task: TaskSize) -> dict[str, list[Row]]:
    """Returns the bills by title."""
    return {
        "First message of a session": bill(counts.first, prices, task, kind="first", waiting=counts.idle),
        "Following message": bill(counts.following, prices, task, kind="following", waiting=counts.idle),
        "Any message with idleSeconds 0": bill(counts.alone, prices, task, kind="alone", waiting=counts.idle),
        "A month without a message, one site": month(counts.sweep, counts.alarms, counts.dashboards, prices),
    }


def page(
    counts: Any,
    prices: Mapping[str, Price],
    task: TaskSize,
    *,
    at: str,
    machine: tuple[int, float],
    token: int,
    polls: int,
) -> str:
    """Returns the document."""
    bills = tables(counts, prices, task)
    head = HEAD.format(
        at=at,
        cpus=machine[0],
        load=machine[1],
        summary="\n".join(_summary(title, rows) for title, rows in bills.items()),
        idle=task.idle_seconds,
        pause=task.pause_seconds,
        start=task.start_seconds,
        model=task.model_seconds,
        token=f"{token:,}",
        polls=polls,
    )
    parts = [head, *(_bill(title, rows, prices) for title, rows in bills.items()), _seconds(counts), _prices(prices)]
    return "\n".join(parts)


def _summary(title: str, rows: Sequence[Row]) -> str:
    seconds = next((row.units for row in rows if row.price == "ipv4_second"), None)
    fargate = sum(row.usd for row in rows if row.price.startswith("fargate"))
    shown = f"${fargate:.4f} | {seconds:.0f}" if seconds is not None else "|"
    return f"| {title} | **${total(rows):.4f}** | {shown} |"


def total(rows: Sequence[Row]) -> float:
    """Returns the sum of a bill."""
    return sum(row.usd for row in rows)


def _bill(title: str, rows: Sequence[Row], prices: Mapping[str, Price]) -> str:
    lines = [f"## {title}", "", "| what | units | dollars | |", "|---|---|---|---|"]
    for row in rows:
        price = prices[row.price]
        lines.append(f"| {price.what} | {_number(row.units)} {price.unit}s | ${row.usd:.6f} | {row.note} |")
    return "\n".join([*lines, f"| all | | **${total(rows):.4f}** | |", ""])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _seconds(counts: Any) -> str:
    lines = [
        "## What was counted",
        "",
        "| | first | following | idleSeconds 0 |",
        "|---|---|---|---|",
    ]
    three = [asdict(counts.first), asdict(counts.following), asdict(counts.alone)]
    for label, name in (("state transitions", "transitions"), ("Lambda invocations", "lambda_calls")):
        lines.append(f"| {label} | " + " | ".join(f"{one[name]}" for one in three) + " |")
    lines.append("| seconds of the steps | " + " | ".join(_list(one["steps"]) for one in three) + " |")
    lines.append("| from first to last | " + " | ".join(f"{one['span']:.1f}" for one in three) + " |")
    free = [sum(one["units"].get("free", {}).values()) for one in three]
    lines.append("| calls without charge | " + " | ".join(f"{number:g}" for number in free) + " |")
    return "\n".join([*lines, ""])


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def _prices(prices: Mapping[str, Price]) -> str:
    lines = ["## Prices", "", "| what | dollars | checked | source |", "|---|---|---|---|"]
    for price in prices.values():
        checked = price.checked.isoformat() if price.checked else "from memory"
        per = "" if price.per == 1 else f"{price.per:,.0f} "
        usd, unit = f"{price.usd:.10f}".rstrip("0").rstrip("."), price.unit if price.per == 1 else f"{price.unit}s"
        lines.append(f"| {price.what} | {usd} for {per}{unit} | {checked} | {price.source} |")
    return "\n".join([*lines, ""])
