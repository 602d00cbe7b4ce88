"""Finds processes by their environment: the stack's mark, or a workspace's home.

Records name the processes that were started. After a `kill -9` at a bad moment they miss some.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil

STACK_MARK = "SITEWRIGHT_STACK"
"""In the environment of every service: the folder of its stack."""

_HOMES = ("HOME", "SITEWRIGHT_ROOT")
_ROUNDS = 20


def _environments() -> Iterator[tuple[int, dict[str, str]]]:
    """The environments of all other processes of this user."""
    for process in psutil.process_iter(["environ"]):
        if process.pid != os.getpid() and process.info["environ"]:
            yield process.pid, process.info["environ"]


def processes_with_home(folder: Path) -> list[int]:
    """Processes whose HOME or SITEWRIGHT_ROOT is `folder` or below it.

    The working folder does not count: it may be a person's shell.
    """
    homes = {pid: [Path(env[name]) for name in _HOMES if env.get(name)] for pid, env in _environments()}
    return [pid for pid, paths in homes.items() if any(path.is_relative_to(folder) for path in paths)]


def processes_of_stack(stack: Path) -> list[int]:
    """The services of a stack and the processes they started."""
    return [pid for pid, env in _environments() if env.get(STACK_MARK) == str(stack)]


def descendants(pid: int) -> list[psutil.Process]:
    """All processes below one; none if it is gone."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill(pids: Iterable[int]) -> set[int]:
    """Sends SIGKILL; returns the processes that were alive."""
    killed = set()
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            psutil.Process(pid).kill()
            killed.add(pid)
    return killed


def kill_until_none(find: Callable[[], list[int]]) -> int:
    """Kills what `find` returns until it returns nothing: a process that forks meanwhile is found the next time."""
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        found = kill(find())
        killed |= found
        if not found:
            break
        time.sleep(0.02)
    return len(killed)
