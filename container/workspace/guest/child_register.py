"""The runner's processes: which it started itself, and which became its children as orphans.

The runner is PID 1 of its container, or its children's subreaper. So orphans become the runner's children, even from a
session of their own (`setsid`).
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

start_lock = threading.RLock()
"""Held while a child starts: before its pid is registered it would be taken for an orphan."""

_own: set[int] = set()


@dataclass(frozen=True)
class Process:
    """One entry of the process table."""

    parent: int
    group: int
    state: str


def register(pid: int) -> None:
    """Notes a process that the runner started and will reap itself."""
    with start_lock:
        _own.add(pid)


def forget(pid: int) -> None:
    """Removes an ended process from the register."""
    with start_lock:
        _own.discard(pid)


def process_table() -> dict[int, Process]:
    """Returns all processes by id. It is empty without /proc (not Linux)."""
    table: dict[int, Process] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The program's name is in parentheses. It may contain spaces and parentheses itself.
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
            table[int(entry.parent.name)] = Process(state=fields[0], parent=int(fields[1]), group=int(fields[2]))
    return table


def processes_of(uid: int) -> frozenset[int]:
    """Returns the living processes of which any uid (real, effective, saved, file system) is `uid`."""
    return frozenset(pid for pid, uids in _uids() if str(uid) in uids)


def _uids() -> Iterator[tuple[int, list[str]]]:
    # The owner of /proc/<pid> would not do: it is root for a process that is not dumpable.
    for entry in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError, ValueError):
            fields = dict(
                line.split(":\t", 1) for line in entry.read_text(errors="replace").splitlines() if ":\t" in line
            )
            if not fields.get("State", "Z").startswith(("Z", "X")):
                yield int(entry.parent.name), fields.get("Uid", "").split()


def unregistered() -> frozenset[int]:
    """Returns the runner's children that it did not start."""
    with start_lock:
        return frozenset(pid for pid, p in process_table().items() if p.parent == os.getpid() and pid not in _own)


def reap_orphans() -> int:
    """Reaps the orphans that have ended. Until then they count towards the guest's limit of processes."""
    reaped = 0
    with start_lock:
        for pid, process in process_table().items():
            if process.parent == os.getpid() and process.state == "Z" and pid not in _own:
                with contextlib.suppress(ChildProcessError):
                    reaped += os.waitpid(pid, os.WNOHANG)[0] == pid
    return reaped


def kill_strays(spared: frozenset[int]) -> int:
    """Kills and reaps the orphans of ended children: the runner's unregistered children and their descendants.

    It spares `spared` (see `unregistered`). Returns the number of killed processes. Without /proc it finds none.
    """
    killed = 0
    for _ in range(20):
        with start_lock:
            table = process_table()
            strays = _strays(table, os.getpid(), _own | spared)
            alive = [pid for pid in strays if table[pid].state != "Z"]
            for pid in alive:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            killed += len(alive)
            for pid in strays:
                if table[pid].parent == os.getpid():
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(pid, os.WNOHANG)
        if not strays:
            return killed
        # The children of a killed parent become the runner's children only now. So the table is read again.
        if alive:
            time.sleep(0.01)
    return killed


def _strays(table: Mapping[int, Process], runner: int, kept: set[int] | frozenset[int]) -> list[int]:
    found = [pid for pid, process in table.items() if process.parent == runner and pid not in kept]
    for pid in found:
        found += [child for child, process in table.items() if process.parent == pid]
    return found
