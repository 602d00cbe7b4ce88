"""Child processes of a step: the agent, npm, the build.

Killing a parent leaves its children running: Claude Code's Bash tool and npm start programs of their own. Some ignore
SIGINT, some move to a session of their own. So each child gets a process group, and signals go to the group. Then every
process of the guest is killed.
"""

import contextlib
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from workspace.errors import StepStopped
from workspace.guest.guest_user import Guest
from workspace.system import processes
from workspace.system.memory_kills import memory_kills
from workspace.system.prestarted_process import PrestartedProcess, Program
from workspace.system.stop import Stop

STOP_LADDER = ((signal.SIGINT, 5.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0))
"""Signals and the seconds to wait after each. Their sum is far below ECS's stopTimeout (120 s, set by the stack), so
time is left to save the work. SIGINT is first, because Claude Code writes transcript and result only on SIGINT, not on
SIGTERM."""

LEFTOVER_LADDER = ((signal.SIGTERM, 1.0), (signal.SIGKILL, 2.0))
"""The ladder for processes that outlive a child that ended by itself."""

_POLL_SECONDS = 0.05
_TAIL_CHARACTERS = 8_000


@dataclass(frozen=True)
class ChildResult:
    """How a child process ended: exit code (negative: the signal) and the end of its output."""

    returncode: int
    tail: str
    seconds: float
    out_of_memory: bool | None = None
    """Whether the kernel killed a process of the workspace for lack of memory meanwhile. None: unknown."""

    @property
    def cause(self) -> str:
        """The likely cause of the end by a signal, as a sentence; empty for an exit."""
        if self.returncode >= 0:
            return ""
        name = signal.Signals(-self.returncode).name
        if self.returncode != -signal.SIGKILL:
            return f"It was ended by {name}."
        if self.out_of_memory:
            return f"The workspace ran out of memory ({name}): raise `memoryMib` of the site."
        own = f"a command of its own killed it ({name}), such as `kill -9 -1`"
        if self.out_of_memory is None:
            return f"Either {own}, or the workspace ran out of memory."
        return f"Probably {own}. The workspace did not run out of memory."


class Children(Protocol):
    """Runs child processes, each in a process group of its own, and ends the group when the step is stopped."""

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        timeout: float,
        stdin: str | None = None,
        on_line: Callable[[str], None] | None = None,
        log_lines: bool = True,
        is_over: Callable[[], bool] | None = None,
    ) -> ChildResult:
        """Runs a program to its end and hands each line of its merged stdout and stderr to `on_line`.

        The environment is exactly `env`. A stop sends the ladder SIGINT (5 s), SIGTERM (2 s), SIGKILL to the whole
        group, and then raises StepStopped. Meanwhile the child's lines still reach `on_line`. After `timeout` seconds
        the same ladder follows, then TimeoutError. No process of the group outlives the call.

        `is_over` is asked every 0.05 s. Once it is true, the same ladder follows, and the result is returned: the program
        has done what it was for, or is given up.
        """


@dataclass(frozen=True)
class ProcessChildren:
    """`Children` with real processes."""

    stop: Stop
    log: Callable[..., None] = field(repr=False)
    ladder: Sequence[tuple[signal.Signals, float]] = STOP_LADDER
    guest: Guest = field(default_factory=Guest)
    """The user of every child."""
    prestarted: PrestartedProcess | None = field(default=None, repr=False)
    """A program with stdin uses this waiting child instead of a new one."""

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        timeout: float,
        stdin: str | None = None,
        on_line: Callable[[str], None] | None = None,
        log_lines: bool = True,
        is_over: Callable[[], bool] | None = None,
    ) -> ChildResult:
        """Runs a program (see `Children.run`).

        Raises StepStopped, TimeoutError, and OSError if the program cannot start.
        """
        self.stop.check()
        began, killed_before = time.monotonic(), memory_kills()
        program = Program(tuple(argv), cwd, dict(env))
        early = self.prestarted.take(program) if self.prestarted is not None and stdin is not None else None
        child = early or self._start(program, with_stdin=stdin is not None)
        output = _Output(child, on_line, self.log if log_lines else None, Path(argv[0]).name)
        with contextlib.ExitStack() as counted:
            try:
                if early:
                    counted.enter_context(self.guest.counting(child.pid))
                output.start(stdin)
                stopped = self._wait(child, output, began + timeout, is_over)
            finally:
                # No child outlives the call, even after an exception of the caller's `on_line`.
                self._end(child, LEFTOVER_LADDER if child.poll() is not None else self.ladder)
                self.guest.end_all(self.log)
                output.finish()
                processes.forget(child)
        if stopped is not None:
            # An error of `on_line` during the child's end must not hide the reason of the stop.
            raise stopped from output.error
        if output.error is not None:
            raise output.error
        killed = memory_kills()
        short = None if killed is None or killed_before is None else killed > killed_before
        # Without a code it did not even end by SIGKILL: it hangs in the kernel.
        code = child.returncode if child.returncode is not None else -signal.SIGKILL
        return ChildResult(code, output.tail(), time.monotonic() - began, short)

    def _start(self, program: Program, *, with_stdin: bool) -> "subprocess.Popen[bytes]":
        if with_stdin:
            return program.start(self.guest)
        return processes.start(
            program.argv,
            guest=self.guest,
            cwd=program.cwd,
            env=dict(program.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def _wait(
        self,
        child: "subprocess.Popen[bytes]",
        output: "_Output",
        deadline: float,
        is_over: Callable[[], bool] | None,
    ) -> Exception | None:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_POLL_SECONDS)
                return None
            if output.error is not None:
                return None
            if reason := self.stop.reason:
                self._end(child, self.ladder)
                return StepStopped(reason)
            if is_over is not None and is_over():
                self._end(child, self.ladder)
                return None
            if time.monotonic() > deadline:
                self._end(child, self.ladder)
                return TimeoutError("the program did not end in time")

    @staticmethod
    def _end(child: "subprocess.Popen[bytes]", ladder: Sequence[tuple[signal.Signals, float]]) -> None:
        for number, grace in ladder:
            if child.poll() is not None and not processes.group_alive(child.pid):
                return
            processes.signal_group(child.pid, number)
            deadline = time.monotonic() + grace
            while time.monotonic() < deadline:
                if child.poll() is not None and not processes.group_alive(child.pid):
                    return
                time.sleep(_POLL_SECONDS)


class _Output:
    """Writes a child's input and reads its output. Each has its own thread, because pipes fill up."""

    def __init__(
        self,
        child: "subprocess.Popen[bytes]",
        on_line: Callable[[str], None] | None,
        log: Callable[..., None] | None,
        program: str,
    ) -> None:
        self.error: Exception | None = None
        self._child = child
        self._on_line = on_line
        self._log = log
        self._program = program
        self._tail: deque[str] = deque()
        self._held = 0
        self._threads: list[threading.Thread] = []

    def start(self, stdin: str | None) -> None:
        self._threads = [threading.Thread(target=self._read, daemon=True)]
        if stdin is not None:
            self._threads.append(threading.Thread(target=self._write, args=(stdin,), daemon=True))
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Waits for the rest of the output. All processes with the open pipe are dead."""
        for thread in self._threads:
            thread.join(5.0)
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.close()

    def tail(self) -> str:
        """Returns the last 8,000 characters or so of the output."""
        return "\n".join(self._tail)[-_TAIL_CHARACTERS:]

    def _read(self) -> None:
        for raw in self._child.stdout or ():
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            self._keep(line)
            if self.error is not None:
                # Reading goes on, because a child with a full pipe cannot end.
                continue
            try:
                if self._log is not None:
                    self._log("output", program=self._program, line=line)
                if self._on_line is not None:
                    self._on_line(line)
            except Exception as error:
                # An error of the caller's `on_line`. It is raised again in the caller's thread.
                self.error = error

    def _keep(self, line: str) -> None:
        self._tail.append(line[-_TAIL_CHARACTERS:])
        self._held += min(len(line), _TAIL_CHARACTERS) + 1
        while self._held > 2 * _TAIL_CHARACTERS and len(self._tail) > 1:
            self._held -= len(self._tail.popleft()) + 1

    def _write(self, stdin: str) -> None:
        pipe = self._child.stdin
        if pipe is not None:
            with contextlib.suppress(OSError, ValueError):
                pipe.write(stdin.encode("utf-8", "replace"))
                pipe.close()
