"""How much memory the services and the workspaces of a stack have, over time."""

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil

from sitewright.local.machine.marked_processes import descendants
from sitewright.local.machine.service_processes import ProcessRecord
from sitewright.local.machine.stack_home import Home

Json = dict[str, Any]
MB = 1_000_000
EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Workspace:
    """One workspace. Sizes are megabytes: what its processes have for themselves, and their share of what they share."""

    pid: int
    parts: dict[str, float]
    """`runner`, `driver`, `claude`, `node`, `other`."""

    @property
    def waits(self) -> bool:
        """Whether no step is under way: neither Claude Code nor a build."""
        return not self.parts.keys() & {"claude", "node"}

    @property
    def whole(self) -> float:
        """All of it."""
        return sum(self.parts.values())


@dataclass(frozen=True)
class Sample:
    """The memory at one moment (seconds since the epoch)."""

    at: float
    services: dict[str, float]
    """Megabytes of each service; `functions`: the Lambda processes of the emulator together."""
    workspaces: tuple[Workspace, ...] = ()

    def to_json(self) -> Json:
        """The sample as a dictionary."""
        return asdict(self)


def sample(home: Home) -> Sample:
    """Looks once. A process that ends meanwhile is left out."""
    services = {}
    for path in sorted(home.run.glob("*.json")):
        record = ProcessRecord.load(path)
        if record is None or not record.alive:
            continue
        services[path.stem] = round(_size(record.pid), 1)
        if path.stem == "emulator":
            services["functions"] = round(sum(_size(process.pid) for process in descendants(record.pid)), 1)
    records = [ProcessRecord.load(path) for path in sorted(home.task_records.glob("*.json"))]
    pids = [record.pid for record in records if record is not None and record.alive]
    return Sample(time.time(), services, tuple(_workspace(pid) for pid in pids))


def _workspace(pid: int) -> Workspace:
    parts: dict[str, float] = {}
    for process in [pid, *(process.pid for process in descendants(pid))]:
        if size := _size(process):
            kind = _kind(process)
            parts[kind] = round(parts.get(kind, 0.0) + size, 1)
    return Workspace(pid, parts)


def _size(pid: int) -> float:
    with contextlib.suppress(psutil.Error, OSError):
        return float(psutil.Process(pid).memory_full_info().pss) / MB
    return 0.0


def _kind(pid: int) -> str:
    try:
        return kind(psutil.Process(pid).cmdline())
    except psutil.Error:
        return "other"


def kind(command: Sequence[str]) -> str:
    """Returns what a process of a workspace is, by its command line."""
    words = set(command)
    if "workspace.agent" in words:
        return "driver"
    if "workspace" in words and "-m" in words:
        return "runner"
    program = command[0].rpartition("/")[2] if command else ""
    if program == "claude":
        return "claude"
    return "node" if program in {"node", "npm"} or "astro" in program else "other"


@dataclass
class MemorySampler:
    """Takes samples in a thread of its own."""

    home: Home
    samples: list[Sample] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins."""
        self._thread = threading.Thread(target=self._loop, name="memory", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(EVERY_SECONDS * 2)

    def _loop(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            self.samples.append(sample(self.home))
