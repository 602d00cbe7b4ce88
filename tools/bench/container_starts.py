"""Container starts and waiting of two sites: workspaces that stay for the next message, and workspaces that end with the command."""

import sys
import time
import uuid
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from sitewright.contracts.steps import StepEnv
from sitewright.local.errors import LocalError
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack_client import SentCommand, StackClient
from tools.bench.timed_command import command
from tools.temporary_stack import temporary_home, temporary_stack

Json = dict[str, Any]
SITES = {"warm": 300, "cold": 0}
"""Two sites of one stack, by their `idleSeconds`: they take turns, so that both see the same machine."""
FIRST, PREPARED, FOLLOWING, INTERRUPTING = (
    "first message",
    "first message, prepared",
    "following message",
    "message that interrupts",
)
KINDS = {"warm": (FIRST, PREPARED, FOLLOWING, INTERRUPTING), "cold": (FIRST, FOLLOWING, INTERRUPTING)}
"""A workspace that ends with its command cannot be prepared."""
_SLOW = "Run the command: `test -e {note} || {{ mkdir -p notes; date > {note}; sleep 20; }}`"
"""The message that interrupts it carries it out too, at once."""
_WORK = (": work", ": commit", ": install", ": build", ": publish")
_OURS = ("WriteCommitMessage", "RecordSync")


def summary(parts: Json) -> Json:
    """Waiting, restoring, working and the rest of one command, from its parts. Pure."""
    waiting = sum(value for name, value in parts.items() if name.endswith(": task start, claim"))
    restoring = sum(value for name, value in parts.items() if name.endswith(": restore"))
    working = sum(value for name, value in parts.items() if name in _OURS or name.endswith(_WORK))
    total = sum(parts.values())
    return {
        "waiting": waiting,
        "restoring": restoring,
        "working": working,
        "rest": total - waiting - restoring - working,
        "total": total,
    }


def run(home: Home, rounds: int, delay: float) -> Json:
    """Medians by site and kind of message. Raises LocalError."""
    own = temporary_home(home, "starts")
    idle = ",".join(f"{site}={seconds}" for site, seconds in SITES.items())
    found: Json = {site: {kind: [] for kind in KINDS[site]} for site in SITES}
    settings = {"SITEWRIGHT_IDLE_SECONDS": idle, "SITEWRIGHT_START_DELAY": str(delay)}
    with temporary_stack(own, tuple(SITES), settings) as info:
        client = StackClient(info)
        for site in SITES:  # fills the cache of packages: not counted
            command(client, own, site, _text("0"), f"fill-{site}")
        for number in range(rounds):
            for site in SITES:
                for kind, row in _session(client, own, site).items():
                    found[site][kind].append(row)
                print(f"  {number + 1}/{rounds}: {site}", file=sys.stderr, flush=True)
    medians = {site: {kind: _medians(rows) for kind, rows in kinds.items()} for site, kinds in found.items()}
    return {"rounds": rounds, "start_delay": delay, "idle_seconds": SITES, "medians": medians, "rows": found}


def _text(number: str) -> str:
    return f'Add a paragraph "Bench {number}" to the homepage'


def _session(client: StackClient, home: Home, site: str) -> Json:
    session = f"{site}-{uuid.uuid4().hex[:8]}"
    found = {kind: _one(client, home, site, session) for kind in (FIRST, FOLLOWING)}
    if PREPARED in KINDS[site]:
        opened = f"{site}-{uuid.uuid4().hex[:8]}"
        client.response(client.prepare(site, opened), 120)
        found[PREPARED] = _one(client, home, site, opened)
    old = client.send(_SLOW.format(note=f"notes/note-{session}.md"), site, session)
    _until_it_writes(home, old)
    return {**found, INTERRUPTING: _one(client, home, site, session)}


def _one(client: StackClient, home: Home, site: str, session: str) -> Json:
    name = f"cmd-{uuid.uuid4().hex[:8]}"
    _, parts = command(client, home, site, _text(name), session, command_id=name)
    return {"starts": _starts(client, name), **summary(parts)}


def _starts(client: StackClient, command_id: str) -> int:
    """Tasks that were started for the command, by their overrides."""
    ecs, cluster = client.aws.ecs, client.info["cluster"]
    count = 0
    for status in ("RUNNING", "STOPPED"):
        for page in ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=status):
            tasks = ecs.describe_tasks(cluster=cluster, tasks=page["taskArns"])["tasks"] if page["taskArns"] else []
            for task in tasks:
                pairs = [p for c in task["overrides"]["containerOverrides"] for p in c.get("environment", [])]
                count += {"name": StepEnv.COMMAND_ID.value, "value": command_id} in pairs
    return count


def _until_it_writes(home: Home, old: SentCommand) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        for log in home.task_logs.glob("*.log"):
            notes = (home.tasks / log.stem / "site" / "notes").glob("note-*.md")
            if old.command_id in log.read_text(errors="replace") and any(notes):
                return
        time.sleep(0.1)
    raise LocalError("The command that is to be interrupted does not come to work.", f"Read {home.log}.")


def _medians(rows: list[Json]) -> Json:
    return {name: round(median(row[name] for row in rows), 2) for name in rows[0]}


def show(result: Json) -> None:
    """The table."""
    delay, rounds = result["start_delay"], result["rounds"]
    names = ("starts", "waiting", "restoring", "working", "rest", "total")
    title = f"starts: a container takes {delay:g} s to start; medians of {rounds}"
    table = Table("site", "message", *names, title=title, title_justify="left")
    for site, kinds in result["medians"].items():
        for kind, row in kinds.items():
            label = f"idleSeconds {result['idle_seconds'][site]}" if kind == FIRST else ""
            table.add_row(label, kind, f"{row['starts']:g}", *(f"{row[name]:.2f}" for name in names[1:]))
        table.add_section()
    Console(width=110).print(table)
