"""`make soak`: many commands over many sessions and sites; exit code 0 only if every promise held.

`--at-once 12 25 50` measures so many sessions at the same time instead.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sitewright.local.errors import LocalError
from sitewright.local.machine.marked_processes import processes_of_stack, processes_with_home
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home
from sitewright.local.stack.service_startup import EmulatorProgram
from sitewright.local.stack.site_repositories import ensure_repository
from sitewright.local.stack_client import StackClient
from tools.chaos import promises
from tools.chaos.sending import ResponseCollector
from tools.cost.billed_calls import CALLS_FILE_VARIABLE
from tools.small_site import small_repository
from tools.soak import at_once, verdicts
from tools.soak.leftovers import leftovers
from tools.soak.load import Load, failed, wait
from tools.soak.memory import MemorySampler, sample
from tools.soak.plan import plan, sites
from tools.temporary_stack import report, temporary_stack

Json = dict[str, Any]
IDLE_SECONDS = 20
"""A workspace waits longer than a client of the run writes, and has left when its session is over."""
CLAIM_SECONDS = 10


@dataclass(frozen=True)
class Options:
    """The command line."""

    commands: int
    sessions: int
    sites: int
    at_a_time: int
    seconds: float


def soak(home: Home, options: Options) -> Json:
    """Runs once, on a stack of its own. Returns the report. Raises LocalError."""
    home.create()
    calls = home.root / "calls.jsonl"
    calls.unlink(missing_ok=True)
    emulator = EmulatorProgram("tools.cost.call_counter", {CALLS_FILE_VARIABLE: str(calls)})
    clients, began = sites(options.sites), time.monotonic()
    source = small_repository(home.root / "small site")
    for name in clients:
        ensure_repository(home.git / f"{name}.git", str(source))
    with temporary_stack(home, clients, {"SITEWRIGHT_IDLE_SECONDS": str(IDLE_SECONDS)}, emulator) as info:
        report(f"up with {len(clients)} sites after {time.monotonic() - began:.0f} s")
        client = StackClient(info)
        _begin(client, clients)
        return _measured(home, client, options, calls)


def _begin(client: StackClient, clients: Sequence[str]) -> None:
    """One command a site, one after the other: a site's first publish has no manifest."""
    for number, name in enumerate(clients):
        client.response(client.send('Change the title of the homepage to "First"', name, f"first-{number}"), 300)


def _measured(home: Home, client: StackClient, options: Options, calls: Path) -> Json:
    run = f"soak{int(time.time()) % 100_000}"
    sessions = plan(run, options.commands, options.sessions, sites(options.sites))
    orders = [order for session in sessions for order in session]
    collector = ResponseCollector(client, {order.session_id for order in orders})
    collector.start()
    sampler = MemorySampler(home)
    sampler.start()
    began, clock = time.time(), time.monotonic()
    load = Load(client, collector, clock + options.seconds, report)
    load.send(sessions, options.at_a_time)
    seconds = time.monotonic() - clock
    wait(lambda: not processes_with_home(home.tasks), IDLE_SECONDS + CLAIM_SECONDS + 60)
    collector.stop()
    sampler.stop()
    answers = list(collector.responses)
    cut = verdicts.windows(began, [answer["timestamp"] / 1000 for answer in answers])
    lines = [json.loads(line) for line in calls.read_text().splitlines()]
    called = [verdicts.calls_a_command(lines, window) for window in cut]
    memory = verdicts.memory_by_window(sampler.samples, cut)
    found = {
        "all sent before the deadline": [o.command_id for o in orders if o not in load.sent],
        "one answer a command": promises.answers(load.sent, answers),
        "every command succeeds": failed(answers),
        "calls a command stay the same": verdicts.grown_calls(called),
        "memory has a bound": verdicts.grown_memory(memory, len(answers)),
        **leftovers(home, client),
    }
    return {
        "options": vars(options),
        "seconds": round(seconds, 1),
        "windows": [{**vars(window), "calls": c, "mb": m} for window, c, m in zip(cut, called, memory, strict=True)],
        "at_the_end": sample(home).to_json(),
        "samples": [one.to_json() for one in sampler.samples],
        "promises": found,
    }


def show(result: Mapping[str, Any]) -> None:
    """Prints the tables of a run."""
    options, cut = result["options"], result["windows"]
    count = sum(window["commands"] for window in cut)
    title = f"{count} commands, {options['sessions']} sessions, {options['sites']} sites: {result['seconds']:.0f} s"
    table = Table("what", *(str(window["commands"]) for window in cut), title=title, title_justify="left")
    table.add_row("seconds", *(f"{window['end'] - window['begin']:.0f}" for window in cut))
    for key, text in (("calls", "calls a command"), ("mb", "MB")):
        table.add_section()
        for name in sorted({name for window in cut for name in window[key]}):
            table.add_row(f"{text}: {name}", *(f"{window[key].get(name, 0):.1f}" for window in cut))
    Console(width=160).print(table)
    for promise, wrong in result["promises"].items():
        print(f"{promise}: " + ("holds" if not wrong else f"{len(wrong)} wrong: {'; '.join(wrong[:8])}"))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tools.soak", description=__doc__)
    parser.add_argument("--commands", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--sites", type=int, default=20)
    parser.add_argument("--at-a-time", type=int, default=4, help="sessions that are busy at the same time")
    parser.add_argument("--seconds", type=float, default=7200, help="the deadline of the sending")
    parser.add_argument("--at-once", type=int, nargs="+", help="measure so many sessions at the same time instead")
    parser.add_argument("--home", type=Path, default=None)
    given = parser.parse_args()
    home = Home((given.home or REPOSITORY_ROOT / ".local-soak").absolute())
    os.environ.pop("ANTHROPIC_API_KEY", None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a terminated run takes its stack down too
    held = False
    try:
        if given.at_once:
            held = at_once.measure(home, given.at_once)
        else:
            result = soak(home, Options(given.commands, given.sessions, given.sites, given.at_a_time, given.seconds))
            (home.root / "soak.json").write_text(json.dumps(result, indent=1))
            show(result)
            held = not any(result["promises"].values())
    except LocalError as error:
        report(f"{error.message} {error.remedy}")
    except KeyboardInterrupt:
        report("interrupted; the stack is stopped")
    left: list[int] = []
    with contextlib.suppress(OSError):
        left = processes_of_stack(home.root)
    print("nothing left after down: " + (f"{len(left)} processes: {left}" if left else "holds"))
    if not held or left:
        print(f"FAILED. Logs: {home.log}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
