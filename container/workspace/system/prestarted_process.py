"""A child process started before it is needed.

Importing the agent's SDK takes 0.6 to 1 s, as long as Claude Code needs for a small edit. So the driver starts while
the workspace claims its session or waits for the next message.
"""

import contextlib
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workspace.guest.guest_user import Guest
from workspace.system import processes

_GRACE_SECONDS = 2.0


_PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}


@dataclass(frozen=True)
class Program:
    """A program to start. It reads its request from stdin, so that its command line is always the same."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(repr=False)

    def start(self, guest: Guest) -> "subprocess.Popen[bytes]":
        """Starts the program as the guest, with pipes, stderr merged into stdout. Raises OSError, TimeoutError."""
        return processes.start(self.argv, guest=guest, cwd=self.cwd, env=dict(self.env), **_PIPES)

    def start_early(self, guest: Guest) -> "subprocess.Popen[bytes]":
        """Starts the program, which becomes the guest when its request arrives. Raises OSError."""
        argv, env = guest.early_command(self.argv)
        return processes.start_early(argv, cwd=self.cwd, env={**self.env, **env}, **_PIPES)


@dataclass
class PrestartedProcess:
    """Manages at most one child, which waits for its stdin."""

    log: Callable[..., None] = field(repr=False)
    guest: Guest = field(default_factory=Guest)
    _program: Program | None = None
    _child: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def start(self, program: Program) -> None:
        """Starts the program unless it waits already.

        Logs an OSError instead of raising it: the step can still start the program.
        """
        if self._program == program and self._child is not None and self._child.poll() is None:
            return
        self.discard()
        try:
            program.cwd.mkdir(parents=True, exist_ok=True)
            self._child, self._program = program.start_early(self.guest), program
        except OSError as error:
            self.log("a program could not be started early", level="warning", error=str(error))

    def take(self, program: Program) -> "subprocess.Popen[bytes] | None":
        """Returns the waiting child if it is alive and runs this program, else None."""
        if self._program == program and self._child is not None and self._child.poll() is None:
            child, self._child = self._child, None
            return child
        self.discard()
        return None

    def discard(self) -> None:
        """Ends the waiting child."""
        child, self._child = self._child, None
        if child is None:
            return
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        processes.signal_group(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_SECONDS)
        processes.signal_group(child.pid, signal.SIGKILL)
        child.wait()
        processes.forget(child)
