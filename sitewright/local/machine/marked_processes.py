"""Processes that carry the stack's mark or live in a workspace's folder, found whoever started them.

Records tell what was started; after a `kill -9` in the wrong moment they do not tell all of it.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

STACK_MARK = "SITEWRIGHT_STACK"
"""In the environment of every service: the folder of its stack."""

_HOMES = ("HOME", "SITEWRIGHT_ROOT")
_ROUNDS = 20


def environments() -> Iterator[tuple[int, list[bytes]]]:
    """The environment of every other process that may be looked at; none without /proc."""
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if int(entry.parent.name) != os.getpid():
                yield int(entry.parent.name), entry.read_bytes().split(b"\0")


def processes_with_home(folder: Path) -> list[int]:
    """Processes whose HOME or SITEWRIGHT_ROOT is `folder` or below it.

    Not those that merely stand in it: that may be a person's shell.
    """
    marks = [f"{name}={folder}".encode() for name in _HOMES]
    return [
        pid
        for pid, variables in environments()
        if any(variable == mark or variable.startswith(mark + b"/") for variable in variables for mark in marks)
    ]


def processes_of_stack(stack: Path) -> list[int]:
    """Processes that the services of a stack are or have started."""
    mark = f"{STACK_MARK}={stack}".encode()
    return [pid for pid, variables in environments() if mark in variables]


def kill(pids: Iterable[int]) -> set[int]:
    """SIGKILL; gives those that were there."""
    killed = set()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    return killed


def kill_until_none(find: Callable[[], list[int]]) -> int:
    """Kills what `find` gives until it gives nothing: one that forks while we look is found the next time."""
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        found = kill(find())
        killed |= found
        if not found:
            break
        time.sleep(0.02)
    return len(killed)
