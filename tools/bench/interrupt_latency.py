"""How soon a newer message stops the older one's work: from its arrival to the signal in the old step's own process.

What is measured is a command that Claude Code runs with its Bash tool and that notes the first signal it gets. The
workspace signals SIGINT to Claude Code's process group, and Claude Code then SIGTERM to the command: the signal noted is
the later one.
"""

import math
import random
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from sitewright.local.errors import LocalError
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack_client import SentCommand, StackClient
from tools.bench.timed_command import workspace_log
from tools.temporary_stack import temporary_home, temporary_stack

Json = dict[str, Any]
AIM = 1.0
SITE = "amelia"
NOTICED = "interrupted by a newer command"


class NotSeen(LocalError):
    """An event of an interrupt did not come."""


@dataclass(frozen=True)
class Interrupt:
    """The moments of one, in seconds since the epoch."""

    sent: float
    accepted: float
    noticed: float
    signalled: float

    def parts(self) -> Json:
        """Seconds of each part and of the whole."""
        return {
            "queue, intake until accepted": self.accepted - self.sent,
            "until the workspace notices": self.noticed - self.accepted,
            "until the process has the signal": self.signalled - self.noticed,
            "all": self.signalled - self.sent,
        }


def statistics(rows: Sequence[Json]) -> dict[str, Json]:
    """Median, 95th percentile (nearest rank) and maximum of each part. Pure."""
    found = {}
    for name in rows[0]:
        values = sorted(row[name] for row in rows)
        rank = values[math.ceil(0.95 * len(values)) - 1]
        found[name] = {"median": round(median(values), 3), "p95": round(rank, 3), "max": round(values[-1], 3)}
    return found


def run(home: Home, count: int) -> Json:
    """`count` interrupts in one session; each message interrupts the one before it. Raises LocalError."""
    own = temporary_home(home, "interrupts")
    rows: list[Json] = []
    with temporary_stack(own, (SITE,), {"SITEWRIGHT_IDLE_SECONDS": "300"}) as info:
        client, session = StackClient(info), f"interrupts-{uuid.uuid4().hex[:8]}"
        old = _send(client, own, session)
        for number in range(count):
            _wait(old.note, "began")
            # Anywhere between two refreshes of the claim.
            time.sleep(0.3 + random.random())  # noqa: S311 - no secret
            new = _send(client, own, session)
            rows.append(_moments(client, own, old, new).parts())
            print(f"  {number + 1}/{count}: {rows[-1]['all']:.2f} s", file=sys.stderr, flush=True)
            old = new
    return {"count": count, "statistics": statistics(rows), "rows": rows}


@dataclass(frozen=True)
class _Message:
    """A command that was sent `at`. It writes its notes into the file `note`."""

    ids: SentCommand
    note: Path
    at: float


def _send(client: StackClient, home: Home, session: str) -> _Message:
    name = f"cmd-{uuid.uuid4().hex[:8]}"
    note = home.root / f"{name}.note"
    # The agent's shell may be another user.
    note.touch()
    note.chmod(0o666)
    trap = f'trap "echo signal \\$(date +%s.%N) >> {note}; exit 1" INT TERM HUP'
    # The next command carries this one out too. Then it has begun before.
    script = f"grep -q began {note} && exit; {trap}; echo began $(date +%s.%N) >> {note}; for i in $(seq 1200); do sleep 0.02; done"
    at = time.time()
    return _Message(client.send(f"Run the command: `{script}`", SITE, session, command=name), note, at)


def _moments(client: StackClient, home: Home, old: _Message, new: _Message) -> Interrupt:
    signalled = _wait(old.note, "signal")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        record = client.record(new.ids)
        noticed = [line for line in workspace_log(home, old.ids) if line["message"] == NOTICED]
        if record and noticed:
            at = datetime.fromisoformat(noticed[0]["time"]).timestamp()
            return Interrupt(new.at, record.accepted_at / 1000, at, signalled)
        time.sleep(0.1)
    raise NotSeen(f"The workspace of {old.ids.command_id} did not note the interrupt.", f"Read {home.task_logs}.")


def _wait(note: Path, word: str) -> float:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        lines = note.read_text().splitlines() if note.exists() else []
        for line in lines:
            if line.startswith(word):
                return float(line.split()[1])
        time.sleep(0.02)
    raise NotSeen(f"The command did not note {word!r} in {note}.", "Look at the logs beside it.")


def show(result: Json) -> None:
    """The table and the verdict."""
    table = Table("part", "median", "p95", "max", title=f"interrupt latency, {result['count']} times")
    for name, row in result["statistics"].items():
        if name == "all":
            table.add_section()
            name = "from sent to the signal in the old step's process"  # noqa: PLW2901
        table.add_row(name, *(f"{row[column]:.2f}" for column in ("median", "p95", "max")))
    Console(width=100).print(table)
    p95 = result["statistics"]["all"]["p95"]
    print(f"p95 {p95:.2f} s ({'within' if p95 <= AIM else 'above'} the aim of {AIM:g} s)\n")
