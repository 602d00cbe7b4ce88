"""Finding what a task leaves behind: a container's end ends every process in it, a host process's end does not.

Two nets, because each has a hole. What the task's own process started becomes the data plane's child when that process
dies (child subreaper, Linux), whatever session or environment it has; but not if the data plane was another one. And
every process of a task has its home below the task's folder, unless it was given another environment.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 20

SPAWN = threading.Lock()
"""Held while a child starts: one that nobody has written down yet would be taken for an orphan."""


def become_subreaper() -> bool:
    """Makes orphaned descendants children of this process. False where the system cannot (not Linux)."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def kill_orphans(own: Collection[int]) -> int:
    """Kills and reaps this process's children that are not its `own`, and all below them; gives how many.

    Only for a subreaper that starts nothing else: the tasks' processes are its children, and reap their own orphans.
    """
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        orphans = [pid for pid in _children(os.getpid()) if pid not in own]
        if not orphans:
            break
        for orphan in orphans:
            killed |= _kill([orphan, *_descendants(orphan)])
            with contextlib.suppress(ChildProcessError):
                os.waitpid(orphan, os.WNOHANG)
        time.sleep(0.01)  # a killed parent's children become ours only now: look again
    return len(killed)


def kill_at_home(folder: Path) -> int:
    """Kills every process whose HOME or SITEWRIGHT_ROOT is `folder` or below it; gives how many."""
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        found = _kill(living_at(folder))
        killed |= found
        if not found:
            break
        time.sleep(0.02)
    return len(killed)


def living_at(folder: Path) -> list[int]:
    """Processes of ours whose HOME or SITEWRIGHT_ROOT is `folder` or below it.

    Not those that merely stand in it: that may be a person's shell.
    """
    found = []
    wanted = tuple(f"{name}={folder}".encode() for name in ("HOME", "SITEWRIGHT_ROOT"))
    for pid, variables in environments():
        for variable in variables:
            if any(variable == mark or variable.startswith(mark + b"/") for mark in wanted):
                found.append(pid)
                break
    return found


def environments() -> Iterator[tuple[int, list[bytes]]]:
    """The environment of every other process that may be looked at; none without /proc."""
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if int(entry.parent.name) != os.getpid():
                yield int(entry.parent.name), entry.read_bytes().split(b"\0")


def _kill(pids: list[int]) -> set[int]:
    killed = set()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    return killed


def _children(pid: int) -> list[int]:
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in tasks.read_text().split()]
    return found


def _descendants(pid: int) -> list[int]:
    below = []
    for child in _children(pid):
        below += [child, *_descendants(child)]
    return below
