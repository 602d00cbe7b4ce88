"""So many sessions at the same time: how long their first commands take, and what memory they hold while they wait."""

import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from sitewright.local.machine.stack_home import Home
from sitewright.local.stack_client import StackClient
from tools.soak.load import wait
from tools.soak.memory import Sample, sample
from tools.soak.plan import sites
from tools.temporary_stack import report, temporary_stack

Json = dict[str, Any]
SITES = 4
IDLE_SECONDS = 900
"""All sessions still wait when the last of them is answered."""
ANSWER_SECONDS = 900
SETTLE_SECONDS = 10


def measure(home: Home, numbers: Sequence[int]) -> bool:
    """Measures each number of sessions on a stack of its own. Returns whether every command succeeded."""
    rows = [_of(home, number) for number in numbers]
    show(rows)
    return all(row["succeeded"] == row["sessions"] * 2 for row in rows)


def _of(home: Home, number: int) -> Json:
    clients = sites(SITES)
    with temporary_stack(home, clients, {"SITEWRIGHT_IDLE_SECONDS": str(IDLE_SECONDS)}) as info:
        client = StackClient(info)
        for name in clients:
            client.response(client.send('Change the title of the homepage to "First"', name, f"first-{name}"), 300)
        _stop_workspaces(home, client)
        before = sample(home)
        sessions = [(clients[n % SITES], f"once-{n}-{uuid.uuid4().hex[:6]}") for n in range(number)]
        first, good = _round(client, sessions, "One")
        time.sleep(SETTLE_SECONDS)
        waiting = sample(home)
        second, again = _round(client, sessions, "Two")
        time.sleep(SETTLE_SECONDS)
        row = {"sessions": number, "first": first, "second": second, "succeeded": good + again, **of(sample(home))}
        row["after the first"] = of(waiting)["mb a session"]
        row["services"] = sum(before.services.values())
        report(f"{number} at once: {first:.0f} s, then {second:.0f} s, {row['mb a session']:.0f} MB a session")
        return row


def _round(client: StackClient, sessions: Sequence[tuple[str, str]], text: str) -> tuple[float, int]:
    began = time.monotonic()
    sent = [client.send(f'Change the title of the homepage to "{text} {n}"', *one) for n, one in enumerate(sessions)]
    good = sum(bool(client.response(one, ANSWER_SECONDS, every=1)["success"]) for one in sent)
    return time.monotonic() - began, good


def of(one: Sample) -> Json:
    """Returns the megabytes of a waiting workspace, by its parts. Pure."""
    waiting = [workspace for workspace in one.workspaces if workspace.waits]
    parts: dict[str, list[float]] = defaultdict(list)
    for workspace in waiting:
        for name, size in workspace.parts.items():
            parts[name].append(size)
    return {
        "waiting": len(waiting),
        "mb a session": median([workspace.whole for workspace in waiting]) if waiting else 0.0,
        "parts": {name: round(median(sizes), 1) for name, sizes in sorted(parts.items())},
    }


def _stop_workspaces(home: Home, client: StackClient) -> None:
    cluster = client.info["cluster"]
    for arn in client.aws.ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"]:
        client.aws.ecs.stop_task(cluster=cluster, task=arn)
    wait(lambda: not sample(home).workspaces, 60)


def show(rows: Sequence[Json]) -> None:
    """Prints the table."""
    table = Table("sessions", "first commands, s", "second, s", "succeeded", "waiting", "MB a session", "its parts")
    for row in rows:
        parts = ", ".join(f"{name} {size:.0f}" for name, size in row["parts"].items())
        numbers = (f"{row['first']:.0f}", f"{row['second']:.0f}", str(row["succeeded"]), str(row["waiting"]))
        table.add_row(str(row["sessions"]), *numbers, f"{row['mb a session']:.0f}", parts)
    Console(width=140).print(table)
