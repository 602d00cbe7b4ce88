"""Starts the runner's processes under a lock, registers their pids, and ends them by process group.

The runner is its children's subreaper (Linux). So orphans become the runner's children, even from a session of their
own (`setsid`), and `kill_strays` kills them. It spares the children that this module started and those that existed
before.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS = 0.02

_lock = threading.Lock()
_own: set[int] = set()


def become_subreaper() -> bool:
    """Makes orphaned descendants children of this process. Returns False if the system cannot (not Linux)."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hide_from_peers() -> bool:
    """Hides /proc/<runner>/environ and memory, which contain the task's credentials, from processes of the same uid."""
    return _prctl(_PR_SET_DUMPABLE, 0)


def _prctl(option: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) == 0)


def start(argv: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
    """Starts and registers a child in its own session and process group.

    `options` go to subprocess.Popen. Raises OSError.
    """
    with _lock:
        child = subprocess.Popen(list(argv), start_new_session=True, **options)
        _own.add(child.pid)
    return child


def forget(child: "subprocess.Popen[bytes]") -> None:
    """Removes an ended child from the register."""
    with _lock:
        _own.discard(child.pid)


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signals the process group of leader `pid`. Ignores a group that is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def group_alive(pid: int) -> bool:
    """Returns whether the group has a member that is not a zombie (without /proc: any member)."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    table = _process_table()
    return any(p.group == pid and p.state != "Z" for p in table.values()) if table else True


def unregistered() -> frozenset[int]:
    """Returns the runner's children that this module did not start.

    `kill_strays` spares those that existed before a child.
    """
    with _lock:
        table = _process_table()
        return frozenset(pid for pid, p in table.items() if p.parent == os.getpid() and pid not in _own)


def kill_strays(spared: frozenset[int]) -> int:
    """Kills and reaps the orphans of ended children: the runner's unregistered children and their descendants.

    It spares `spared`, the processes that existed before (see `unregistered`). Returns the number of killed processes.
    Without /proc (not Linux) it finds none.
    """
    killed = 0
    for _ in range(20):
        with _lock:
            table = _process_table()
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


@dataclass(frozen=True)
class Process:
    """One entry of the process table."""

    parent: int
    group: int
    state: str


def _process_table() -> dict[int, Process]:
    table: dict[int, Process] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The program's name is in parentheses. It may contain spaces and parentheses itself.
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
            table[int(entry.parent.name)] = Process(state=fields[0], parent=int(fields[1]), group=int(fields[2]))
    return table


def _strays(table: Mapping[int, Process], runner: int, kept: set[int]) -> list[int]:
    found = [pid for pid, process in table.items() if process.parent == runner and pid not in kept]
    for pid in found:
        found += [child for child, process in table.items() if process.parent == pid]
    return found


@dataclass(frozen=True)
class Completed:
    """How a bounded command ended."""

    returncode: int
    stdout: bytes
    stderr: str


def run_bounded(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float,
    stdin: bytes | None = None,
    pass_fds: Sequence[int] = (),
    poll: Callable[[], None] | None = None,
) -> Completed:
    """Runs a short command and returns its output. Its whole process group is dead when this returns or raises.

    Calls `poll` about every 0.1 s; it may raise to give up. Raises TimeoutError after `timeout` seconds.
    """
    child = start(
        argv,
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=tuple(pass_fds),
    )
    try:
        out, err = _communicate(child, stdin, timeout, poll, argv)
    finally:
        if child.poll() is None:
            # git removes its lock files and temporary packs on SIGTERM, but not on SIGKILL.
            signal_group(child.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(1.0)
        signal_group(child.pid, signal.SIGKILL)
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            _close(stream)
        forget(child)
    return Completed(child.returncode, out, err.decode("utf-8", "replace"))


def _communicate(
    child: "subprocess.Popen[bytes]",
    stdin: bytes | None,
    timeout: float,
    poll: Callable[[], None] | None,
    argv: Sequence[str],
) -> tuple[bytes, bytes]:
    deadline = time.monotonic() + timeout
    data = stdin
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"{argv[0]} {argv[1] if len(argv) > 1 else ''} did not end within {timeout:.0f} s")
        try:
            return child.communicate(data, timeout=min(left, _POLL_SECONDS * 5 if poll else left))
        except subprocess.TimeoutExpired:
            # communicate() may be called again after a timeout. It loses no output, and took the input the first
            # time.
            data = None
            if poll is not None:
                poll()


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with contextlib.suppress(OSError):
            stream.close()
