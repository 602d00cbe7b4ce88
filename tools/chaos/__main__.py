"""`make chaos`: commands under random kills; exit code 0 only if no edit was lost and each command got one response."""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sitewright.local.ecs import event_faults
from sitewright.local.errors import LocalError
from sitewright.local.machine.marked_processes import processes_of_stack, processes_with_home
from sitewright.local.machine.service_environment import HEARTBEAT_AT_MOST
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home
from sitewright.local.stack import stack_state
from sitewright.local.stack.site_repositories import ensure_repository
from sitewright.local.stack.stack_control import down
from sitewright.local.stack.stack_owner import owned_stacks
from sitewright.local.stack_client import StackClient
from tools.chaos import promises
from tools.chaos.random_kills import RandomKiller, living_tasks
from tools.chaos.schedule import PlannedCommand, plan
from tools.chaos.sending import CommandSender, ResponseCollector
from tools.temporary_stack import up_with_sites

Json = dict[str, Any]
CLIENTS = ["amelia", "bruno"]
IDLE_SECONDS = 6
HEARTBEAT_SECONDS = 20
"""Four of a workspace's heartbeats."""
CLAIM_SECONDS = 10


@dataclass(frozen=True)
class Options:
    """The command line."""

    seed: int
    commands: int
    sessions: int
    seconds: float
    at_a_time: int
    pause: tuple[float, float]
    site_repo: str | None
    """A git repository for the sites; None: the demo site."""


def report(text: str) -> None:
    """Prints one line of progress."""
    print(f"  {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def start(home: Home, site_repo: str | None) -> Json:
    """Starts the missing services, and deploys all sites at once."""
    missing = [client for client in CLIENTS if client not in stack_state.read(home)["sites"]]
    if site_repo and missing:
        home.create()
        for client in missing:
            ensure_repository(home.git / f"{client}.git", site_repo)
    return up_with_sites(home, CLIENTS, say=lambda _: None)


def chaos(home: Home, options: Options) -> bool:
    """Runs once. Returns whether every promise held. Raises LocalError."""
    os.environ["SITEWRIGHT_IDLE_SECONDS"] = str(IDLE_SECONDS)
    os.environ[HEARTBEAT_AT_MOST] = str(HEARTBEAT_SECONDS)
    os.environ.pop("ANTHROPIC_API_KEY", None)
    began = time.monotonic()
    client = StackClient(start(home, options.site_repo))
    report(f"up after {time.monotonic() - began:.0f} s; seed {options.seed}")
    _warm_up(client)
    sessions = plan(options.seed, options.commands, options.sessions, CLIENTS)
    began = time.monotonic()
    collector = ResponseCollector(client, {order.session_id for session in sessions for order in session})
    collector.start()
    draw = random.Random(options.seed + 1)  # noqa: S311 - reproducible, no secret
    killer = RandomKiller(home, draw, options.pause, lambda: _restart(home, options.site_repo))
    event_faults.write(home.event_faults, seed=options.seed + 2, drop=0.15, duplicate=0.15, delay=0.15, seconds=4)
    killer.start()
    sender = CommandSender(client, collector, began + options.seconds, report)
    watcher = threading.Thread(target=_progress, args=(collector, options.commands, sender.deadline), daemon=True)
    watcher.start()
    try:
        sender.send(sessions, options.at_a_time)
    finally:
        killer.stop()
        home.event_faults.unlink(missing_ok=True)
    orders = [order for session in sessions for order in session]
    _wait(lambda: all(collector.answered(order) for order in sender.sent), 60)
    seconds = time.monotonic() - began
    _wait(lambda: not processes_with_home(home.tasks), IDLE_SECONDS + CLAIM_SECONDS + 30)
    collector.stop()
    unsent = [order.command_id for order in orders if order not in sender.sent]
    found = {"all sent before the deadline": unsent} | findings(home, client, sender.sent, collector.responses, killer)
    show(options, collector.responses, killer, seconds, found)
    return not any(found.values())


def _warm_up(client: StackClient) -> None:
    """Fills each site's cache of packages. Otherwise most kills would hit their installation."""
    sent = [client.send('Add a paragraph "Calm" to the homepage', name, f"calm-{name}") for name in CLIENTS]
    for one in sent:
        client.response(one, 180)


def _restart(home: Home, site_repo: str | None) -> None:
    try:
        start(home, site_repo)
    except LocalError as error:
        report(f"up: {error.message}")


def _progress(collector: ResponseCollector, commands: int, deadline: float) -> None:
    while time.monotonic() < deadline and len(collector.responses) < commands:
        time.sleep(20)
        report(f"{len(collector.responses)}/{commands} answers")


def _wait(done: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.3)


def findings(
    home: Home, client: StackClient, orders: list[PlannedCommand], responses: list[Json], killer: RandomKiller
) -> dict[str, list[str]]:
    """Returns the violations by promise."""
    bare = {order.session_id: home.git / f"{order.client_id}.git" for order in orders}
    remote: dict[str, str] = {}
    for repository in sorted(set(bare.values())):
        remote |= on_remote(repository)
    alive = [f"pid {pid}" for pid in sorted({*living_tasks(home), *processes_with_home(home.tasks)})]
    return {
        "one answer a command": promises.answers(orders, responses),
        "no run goes on": [run["run"] for run in client.runs(1000) if run["status"] == "RUNNING"],
        "no workspace goes on": alive,
        "files on the remote": promises.files(orders, responses, killer.kept, remote)
        + promises.outcomes(orders, responses, remote),
        "commits on the remote": promises.commits(
            responses, lambda session, commit: on_a_branch(bare[session], commit)
        ),
    }


def on_remote(bare: Path) -> dict[str, str]:
    """Returns path and text of every file that a commit of any branch has added."""
    listed = _git(bare, "log", "--all", "--diff-filter=AMR", "--name-only", "--format=commit %H").splitlines()
    found, commit = {}, ""
    for line in listed:
        if line.startswith("commit "):
            commit = line.removeprefix("commit ")
        elif line and line not in found:
            found[line] = _git(bare, "show", f"{commit}:{line}") if "chaos-" in line else ""
    return found


def on_a_branch(bare: Path, commit: str) -> bool:
    """Tells whether a branch of the repository has the commit."""
    return bool(_git(bare, "for-each-ref", "--contains", commit, "refs/heads").strip())


def _git(bare: Path, *arguments: str) -> str:
    run = ["git", "-C", str(bare), "-c", "core.quotePath=false", *arguments]
    return subprocess.run(run, capture_output=True, text=True, errors="replace", check=False).stdout


def show(
    options: Options, responses: list[Json], killer: RandomKiller, seconds: float, found: dict[str, list[str]]
) -> None:
    """Prints the table of the run."""
    title = f"{options.commands} commands, {options.sessions} sessions, seed {options.seed}: {seconds:.0f} s"
    table = Table("what", "result", title=title, title_justify="left")
    for status, count in sorted(Counter(str(a["status"]) for a in responses).items()):
        table.add_row(f"answers: {status}", str(count))
    for code, count in sorted(Counter(str(a["error"]["code"]) for a in responses if a["error"]).items()):
        table.add_row(f"  error {code}", str(count))
    table.add_section()
    for kind, count in sorted(killer.counts.items()):
        table.add_row(f"killed: {kind}", str(count))
    table.add_section()
    for promise, wrong in found.items():
        table.add_row(promise, "\n".join([f"{len(wrong)} wrong:", *wrong[:12]]) if wrong else "holds")
    Console(width=120).print(table)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tools.chaos")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--commands", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1200, help="the deadline")
    parser.add_argument("--at-a-time", type=int, default=4, help="sessions that are busy at the same time")
    parser.add_argument("--pause", type=float, nargs=2, default=(3.0, 12.0), help="seconds between two kills")
    parser.add_argument("--site-repo", help="a git repository for the sites; the demo site if left out")
    parser.add_argument("--home", type=Path, default=None)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.randrange(10**6)  # noqa: S311 - no secret
    pause = tuple(given.pause)
    options = Options(seed, given.commands, given.sessions, given.seconds, given.at_a_time, pause, given.site_repo)
    home = Home((given.home or REPOSITORY_ROOT / ".local-chaos" / str(seed)).absolute())
    held = False
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a terminated run takes its stack down too
    try:
        with owned_stacks():
            held = chaos(home, options)
    except LocalError as error:
        report(f"{error.message} {error.remedy}")
    except KeyboardInterrupt:
        report("interrupted")
    finally:
        with contextlib.suppress(LocalError):
            down(home, report)
    left = processes_of_stack(home.root)
    if left:
        report(f"left after down: {left}")
    if not held or left:
        print(f"FAILED. Again: make chaos SEED={seed}. Logs: {home.log}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
