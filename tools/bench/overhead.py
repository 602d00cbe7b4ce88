"""Measures the overhead of the service: the same commands through the stack and by hand, in turns."""

import shutil
import sys
import uuid
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from sitewright.local.machine.stack_home import Home
from sitewright.local.stack_client import StackClient
from tools.bench.manual_baseline import Checkout
from tools.bench.time_breakdown import medians
from tools.bench.timed_command import command
from tools.temporary_stack import temporary_home, temporary_stack

Json = dict[str, Any]
SITE = "amelia"
AIM = 1.25
KINDS = (
    'Add a new heading saying "Bench {n}" to the homepage',
    'Add a paragraph "Bench {n}" to the homepage',
)


def instruction(number: int) -> str:
    """The same text for both ways; every one changes a file."""
    return KINDS[number % len(KINDS)].format(n=number)


def measure(client: StackClient, home: Home, checkout: Checkout, count: int, *, cold: bool) -> Json:
    """`count` commands each way, taking turns so that both see the same machine."""
    through: list[float] = []
    rows: list[Json] = []
    hand: list[Json] = []
    session = f"bench-{uuid.uuid4().hex[:8]}"
    site = client.info["sites"][0]["client_id"]
    # The first of a session is another kind of command, and fills the cache of packages: not counted.
    command(client, home, site, instruction(100), session)
    for number in range(count):
        text = instruction(number + (200 if cold else 0))
        hand.append(_by_hand(checkout, text, resume=not cold))
        seconds, found = command(client, home, site, text, f"{session}-{number}" if cold else session)
        through.append(seconds)
        rows.append(found)
        print(f"  {number + 1}/{count}: {seconds:.2f} s, by hand {hand[-1]['all']:.2f} s", file=sys.stderr, flush=True)
    by_hand = medians(hand)
    return {
        "count": count,
        "total": round(median(through), 3),
        "by_hand": by_hand["all"],
        "ratio": round(median(through) / by_hand["all"], 2),
        "by_hand_parts": by_hand,
        "parts": medians(rows),
        "totals": [round(seconds, 3) for seconds in through],
        "by_hand_totals": [round(row["all"], 3) for row in hand],
    }


def _by_hand(checkout: Checkout, text: str, *, resume: bool) -> Json:
    took = {"agent": checkout.agent(text, resume=resume), "build": checkout.build(), "push": checkout.push(text)}
    return {**took, "all": sum(took.values())}


def _show(name: str, result: Json) -> None:
    """The table of one measurement."""
    table = Table("part", "seconds", "by hand", title=f"{name}: medians of {result['count']}", title_justify="left")
    same = {"Agent: work": "agent", "Build: build": "build", "Push: work": "push"}
    for part, seconds in result["parts"].items():
        hand = result["by_hand_parts"].get(same.get(part, ""))
        table.add_row(part, f"{seconds:.2f}", f"{hand:.2f}" if hand is not None else "")
    table.add_section()
    table.add_row("send to response", f"{result['total']:.2f}", f"{result['by_hand']:.2f}")
    out = Console(width=100)
    out.print(table)
    rest = result["total"] - result["by_hand"]
    verdict = "within" if result["ratio"] <= AIM else "above"
    print(f"{name}: ratio {result['ratio']:.2f} ({verdict} the aim of {AIM}), {rest:.2f} s more than by hand\n")


def run(home: Home, count: int) -> Json:
    """A session of many commands, and a new session each. Raises LocalError."""
    own = temporary_home(home, "overhead")
    with temporary_stack(own, (SITE,), {}) as info:
        client, remote = StackClient(info), info["sites"][0]["git_remote"]
        work = own.root / "bench"
        shutil.rmtree(work, ignore_errors=True)
        token = Path(info["git_token_file"]).read_text().strip()
        checkout = Checkout(work / "site", remote, token, info["demo_model_url"], f"bench-{uuid.uuid4().hex[:8]}")
        try:
            checkout.prepare()
            _by_hand(checkout, instruction(99), resume=False)
            return {
                "session": measure(client, own, checkout, count, cold=False),
                "cold": measure(client, own, checkout, count, cold=True),
            }
        finally:
            shutil.rmtree(work, ignore_errors=True)


def show(result: Json) -> None:
    """The tables."""
    _show("one session", result["session"])
    _show("a new session each", result["cold"])
