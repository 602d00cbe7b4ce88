"""From counted calls and seconds to a bill. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.cost.prices import Price

Json = dict[str, Any]


@dataclass(frozen=True)
class TaskSize:
    """The billed sizes, and values that a local run cannot measure."""

    vcpus: float = 2.0
    gb: float = 4.0
    start_seconds: float = 57.5
    """Fargate's start, 45 to 70 s, billed from the image pull on."""
    model_seconds: float = 60.0
    """The seconds that a real model takes longer than the small stand-in of the local run."""
    idle_seconds: float = 300.0
    pause_seconds: float = 60.0
    """Between an answer and the session's next message."""
    least_seconds: float = 60.0


@dataclass
class MessageCounts:
    """The measured usage of one message in the local run."""

    steps: list[float] = field(default_factory=list)
    """Seconds of each step in the workspace."""
    span: float = 0.0
    """From the first step's beginning to the last one's end."""
    transitions: int = 0
    log_bytes: int = 0
    metrics: int = 0
    """Custom metrics: names and dimensions of the values that were sent."""
    units: dict[str, dict[str, float]] = field(default_factory=dict)
    """Usage and number of units by price."""
    lambda_calls: int = 0
    gb_seconds: float = 0.0
    refreshes: int = 0
    refresh_units: float = 0.0
    looks: int = 0
    """Of a workspace that waits, whether there is a reason to refresh."""
    look_units: float = 0.0


def count(lines: Iterable[Json], sizes: Mapping[str, int]) -> MessageCounts:
    """Sums up the counter's lines. `sizes`: write units of items whose size the request did not tell, by their key."""
    found = MessageCounts()
    units: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for line in lines:
        if line["kind"] == "lambda":
            found.lambda_calls += 1
            found.gb_seconds += line["seconds"] * line["gb"]
        elif line["detail"] == "refresh":
            found.refreshes += 1
            found.refresh_units += line["units"]
        elif line["detail"] == "look":
            found.looks += 1
            found.look_units += line["units"]
        else:
            factor = sizes.get(repr(line["key"]), 1) if line["key"] else 1
            units[line["price"]][line["operation"]] += line["units"] * factor
    found.units = {price: dict(operations) for price, operations in sorted(units.items())}
    return found


@dataclass(frozen=True)
class Row:
    """One line of a bill."""

    price: str
    units: float
    note: str
    usd: float


def fargate_seconds(span: float, task: TaskSize, *, kind: str) -> float:
    """Billed seconds of a message. `kind`: first, following, or alone (a task that ends with its command)."""
    if kind == "alone":
        return max(task.least_seconds, task.start_seconds + span + task.model_seconds)
    if kind == "first":
        return task.start_seconds + span + task.model_seconds + task.idle_seconds
    return task.pause_seconds + span + task.model_seconds


def bill(
    counted: MessageCounts, prices: Mapping[str, Price], task: TaskSize, *, kind: str, waiting: MessageCounts
) -> list[Row]:
    """Returns the lines of a message's bill. `waiting` has the usage of a workspace in `span` seconds without a message."""
    seconds = fargate_seconds(counted.span, task, kind=kind)
    starts = {"first": 1, "following": 0, "alone": 1}[kind]
    idle = {"first": task.idle_seconds, "following": task.pause_seconds, "alone": 0.0}[kind]
    held = seconds - starts * task.start_seconds - idle
    rate = waiting.refreshes / waiting.span
    refreshes = held * rate * _each(counted) + idle * rate * _each(waiting)
    looks = waiting.looks / waiting.span

    def row(price: str, units: float, note: str) -> Row:
        return Row(price, units, note, prices[price].of(units))

    rows = [
        row("fargate_vcpu_second", seconds * task.vcpus, f"{seconds:.0f} s"),
        row("fargate_gb_second", seconds * task.gb, f"{seconds:.0f} s"),
        row("ipv4_second", seconds, ""),
        row("sfn_transition", counted.transitions, ""),
        row("lambda_gb_second", counted.gb_seconds, ""),
        row("lambda_request", counted.lambda_calls, ""),
        row("dynamodb_write", refreshes, f"refreshes of the claim, {rate:.1f} a second"),
        row("dynamodb_read", idle * waiting.look_units / waiting.span, f"while it waits, {looks:.1f} looks a second"),
    ]
    for price, operations in counted.units.items():
        if prices[price].usd:
            note = ", ".join(f"{name} {units:g}" for name, units in sorted(operations.items()))
            rows.append(row(price, sum(operations.values()), note))
    rows += [
        row("sqs_fifo", 5, "input: send, receive, delete; response: receive, delete"),
        row("logs_gb", counted.log_bytes, ""),
        row("metric_hour", counted.metrics if starts else 0, "an hour's first message of all sites pays for the hour"),
        row("trace", TRACES, "at most: X-Ray samples a busy deployment"),
    ]
    return rows


TRACES = 4
"""A message's traces: intake, the run with its functions, respond, and the end of a workspace."""


def _each(counted: MessageCounts) -> float:
    return counted.refresh_units / counted.refreshes if counted.refreshes else 1.0


MONTH_MINUTES = 43_800
SWEEP_MINUTES = 5
POLLERS = 5
POLLS_A_MINUTE = 3


def month(sweep: MessageCounts, alarms: int, dashboards: int, prices: Mapping[str, Price]) -> list[Row]:
    """Returns the bill of one site for a month without a message."""
    sweeps = MONTH_MINUTES / SWEEP_MINUTES

    def row(price: str, units: float, note: str) -> Row:
        return Row(price, units, note, prices[price].of(units))

    polls = MONTH_MINUTES * POLLERS * POLLS_A_MINUTE
    return [
        row("alarm_month", alarms, "ten of an account are free"),
        row("dashboard_month", dashboards, "three of an account are free"),
        row("trace", sweeps, "the sweep; 100,000 of an account are free"),
        row("sqs_fifo", polls, f"Lambda's empty receives: {POLLERS} pollers, {POLLS_A_MINUTE} a minute each"),
        row("ecr_gb_month", 0.9, "an image of 0.9 GB"),
        row("lambda_gb_second", sweeps * sweep.gb_seconds, f"the sweep, every {SWEEP_MINUTES} minutes"),
        row("lambda_request", sweeps * sweep.lambda_calls, "the sweep"),
        row("dynamodb_read", sweeps * sum(sweep.units.get("dynamodb_read", {}).values()), "the sweep"),
        row("logs_gb", sweeps * sweep.log_bytes, "the sweep"),
        row("s3_gb_month", 1.0, "1 GB of site, its old versions and checkpoints"),
    ]
