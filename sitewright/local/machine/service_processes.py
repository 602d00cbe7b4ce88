"""Starts, records and stops processes that outlive the command that started them.

Pids are reused, so each record has the start time too. A process with another start time gets no signal. The start time
is the kernel's own: psutil's moves with the system clock, and a moved clock would make a running service look dead.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from sitewright.local.machine.stack_home import write_private


@dataclass(frozen=True)
class ProcessRecord:
    """One process: its pid, its start time (opaque, only compared) and its arguments."""

    pid: int
    started: str
    fingerprint: str = ""

    def save(self, path: Path) -> None:
        """Writes the record."""
        write_private(path, json.dumps(asdict(self)) + "\n")

    @classmethod
    def load(cls, path: Path) -> "ProcessRecord | None":
        """Reads a record; None if the file is missing or damaged (a crash while writing)."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(pid=int(data["pid"]), started=str(data["started"]), fingerprint=str(data.get("fingerprint", "")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @classmethod
    def of_this_process(cls) -> "ProcessRecord":
        """The record of the calling process."""
        return cls(os.getpid(), start_time(os.getpid()) or "")

    @property
    def alive(self) -> bool:
        """Whether this process, not a later one with its pid, still runs. A zombie does not."""
        return start_time(self.pid) == self.started


def run_group(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], output: BinaryIO, grace: float | None = None
) -> int:
    """Runs a program in a group of its own, to its end; the exit code. Raises OSError.

    An interrupt ends the whole group, for `node` may be a wrapper: SIGKILL `grace` seconds after SIGTERM, None for at once.
    """
    process = None
    try:
        with interrupts_deferred():
            process = subprocess.Popen(
                argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        return process.wait()
    except BaseException:
        if process and (grace is None or not _ends(process, grace)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        raise


@contextlib.contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Delivers SIGINT and SIGTERM after the block. Outside the main thread, which gets no signals, it does nothing.

    An interrupt inside Popen would lose the child that it has just started.
    """
    received: list[int] = []
    numbers: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if callable(signal.getsignal(n))]
    handlers = {number: signal.signal(number, lambda number, _: received.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for late in received[:1]:
            signal.raise_signal(late)


def _ends(process: "subprocess.Popen[bytes]", grace: float) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace)
    return process.returncode is not None


def start_time(pid: int) -> str | None:
    """When a process started, or None if there is none (or only a zombie)."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        # The second field is the program's name in parentheses and may hold anything; proc(5) counts from there.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in {"Z", "X"} else fields[19]
    shown = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(None, 1)
    return None if len(shown) < 2 or shown[0].startswith("Z") else shown[1].strip()


def start_detached(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path, fingerprint: str = ""
) -> ProcessRecord:
    """Starts a program in a session of its own, its output appended to `log`. Raises OSError if it cannot start."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output, interrupts_deferred():
        process = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return ProcessRecord(process.pid, start_time(process.pid) or "", fingerprint)


def signal_group(record: ProcessRecord, number: int) -> None:
    """Sends a signal to the process's group, if it still is that process."""
    if record.alive:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(record.pid, number)


def reap(pid: int) -> int | None:
    """Exit code of an ended child of ours (negative: the signal); None if it runs or is not our child."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if found else None


def wait_ended(records: Iterable[ProcessRecord], seconds: float) -> list[ProcessRecord]:
    """Waits until all have ended; returns those that have not after `seconds`."""
    deadline = time.monotonic() + seconds
    left = list(records)
    while True:
        for record in left:
            reap(record.pid)
        left = [record for record in left if record.alive]
        if not left or time.monotonic() >= deadline:
            return left
        time.sleep(0.02)


def stop(records: Sequence[ProcessRecord], grace: float) -> None:
    """Ends processes: SIGTERM to the groups, after `grace` seconds SIGKILL, and waits for that too."""
    for record in records:
        signal_group(record, signal.SIGTERM)
    for record in wait_ended(records, grace):
        signal_group(record, signal.SIGKILL)
    wait_ended(records, 5)


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log, or an empty text."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 64 * 1024))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
