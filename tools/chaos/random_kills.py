"""Kills random processes, and notes the files that must survive because a checkpoint has them."""

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from sitewright.local.machine.marked_processes import descendants, kill
from sitewright.local.machine.service_processes import ProcessRecord
from sitewright.local.machine.stack_home import Home

CHECKPOINT_SECONDS = 30.0
MARGIN_SECONDS = 5.0
"""The time that a checkpoint itself takes at most."""

KINDS = {"workspace": 4, "runner": 3, "agent": 3, "ecs": 1}


@dataclass
class RandomKiller:
    """Kills something every few seconds until it is told to stop."""

    home: Home
    draw: random.Random
    pause: tuple[float, float]
    restart: Callable[[], None]
    """Brings a killed ECS service back."""
    counts: Counter[str] = field(default_factory=Counter)
    kept: set[str] = field(default_factory=set)
    """Files (`client path`) that were older than a checkpoint when their workspace was killed."""
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread that kills."""
        self._thread = threading.Thread(target=self._loop, name="killer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the kills. Waits for a restart under way."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(120)

    def _loop(self) -> None:
        while not self._ended.wait(self.draw.uniform(*self.pause)):
            kind = self.draw.choices(list(KINDS), list(KINDS.values()))[0]
            if self._kill(kind):
                self.counts[kind] += 1

    def _kill(self, kind: str) -> bool:
        if kind == "ecs":
            record = ProcessRecord.load(self.home.run / "ecs.json")
            if record is None or not record.alive:
                return False
            self._note(kind, record.pid, "")
            kill([record.pid])
            self._ended.wait(self.draw.uniform(0.2, 3))
            self.restart()
            return True
        tasks = {path.stem: record.pid for path, record in _tasks(self.home)}
        busy = {name: pid for name, pid in tasks.items() if descendants(pid)}
        if not tasks:
            return False
        name = self.draw.choice(sorted(busy if busy and self.draw.random() < 0.8 else tasks))
        pid = tasks[name]
        below = descendants(pid)
        if kind == "agent":
            agents = [process.pid for process in below if _program(process) == "claude"]
            if not agents:
                return False
            self._note(kind, agents[0], name)
            kill(agents)
            return True
        self._keep(self.home.tasks / name / "site")
        self._note(kind, pid, name)
        kill([pid, *(process.pid for process in below)] if kind == "workspace" else [pid])
        return True

    def _keep(self, site: Path) -> None:
        before = time.time() - CHECKPOINT_SECONDS - MARGIN_SECONDS
        for file in [*site.glob("notes/chaos-*.md"), *site.glob("src/content/journal/chaos-*.md")]:
            with contextlib.suppress(OSError):
                if file.stat().st_mtime < before:
                    self.kept.add(file.relative_to(site).as_posix())

    def _note(self, kind: str, pid: int, task: str) -> None:
        with (self.home.log / "kills.log").open("a") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {kind} pid {pid} {task}\n")


def _tasks(home: Home) -> list[tuple[Path, ProcessRecord]]:
    records = [(path, ProcessRecord.load(path)) for path in sorted(home.task_records.glob("*.json"))]
    return [(path, record) for path, record in records if record is not None and record.alive]


def living_tasks(home: Home) -> list[int]:
    """Returns the pids of the living runners."""
    return [record.pid for _, record in _tasks(home)]


def _program(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return Path(next(iter(process.cmdline()), "")).name
    return ""
