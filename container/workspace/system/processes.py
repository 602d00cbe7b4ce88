"""Starts the runner's processes under a lock, registers their pids, and ends them by process group.

A program is either the guest's or the runner's own (see `guest`). The runner's own have no capability.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from workspace.guest import child_register
from workspace.guest.guest_user import Guest, without_capabilities

_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS = 0.02


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


def start(argv: Sequence[str], *, guest: Guest | None = None, **options: Any) -> "subprocess.Popen[bytes]":
    """Starts and registers a child in its own session and process group.

    It runs as the guest; without one it is the runner's own, and has no capability. `options` go to subprocess.Popen.
    Raises OSError, and TimeoutError if a credential is in use for too long (see Guest.absent).
    """
    if guest is None:
        return _start(without_capabilities(argv), options)
    with guest.starting():
        return _start(guest.command(argv), options)


def start_early(argv: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
    """Starts and registers a program that becomes the guest itself (see Guest.early_command). Raises OSError."""
    return _start(argv, options)


def _start(argv: Sequence[str], options: Mapping[str, Any]) -> "subprocess.Popen[bytes]":
    with child_register.start_lock:
        child = subprocess.Popen(list(argv), start_new_session=True, **options)
        child_register.register(child.pid)
    return child


def forget(child: "subprocess.Popen[bytes]") -> None:
    """Removes an ended child from the register."""
    child_register.forget(child.pid)


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
    table = child_register.process_table()
    return any(p.group == pid and p.state != "Z" for p in table.values()) if table else True


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
    guest: Guest | None = None,
    stdin: bytes | None = None,
    pass_fds: Sequence[int] = (),
    poll: Callable[[], None] | None = None,
) -> Completed:
    """Runs a short command and returns its output. Its whole process group is dead when this returns or raises.

    It runs as the guest; without one it is the runner's own, and has no capability. Calls `poll` about every 0.1 s; it
    may raise to give up. Raises TimeoutError after `timeout` seconds.
    """
    options = {
        "cwd": cwd,
        "env": dict(env),
        "stdin": subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "pass_fds": tuple(pass_fds),
    }
    with guest.at_work() if guest is not None else contextlib.nullcontext():
        child = _start(without_capabilities(argv) if guest is None else guest.command(argv), options)
        return _completed(child, stdin, timeout, poll, argv)


def _completed(
    child: "subprocess.Popen[bytes]",
    stdin: bytes | None,
    timeout: float,
    poll: Callable[[], None] | None,
    argv: Sequence[str],
) -> Completed:
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
