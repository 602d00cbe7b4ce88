"""Runs git commands whose output has a limit, alone or as a pipe from one user's command to another's.

What a program of the guest writes may be endless, and a program that it leaves behind may keep its pipes open. So
nothing here waits for the end of a stream whose program has ended.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from workspace.errors import GitError
from workspace.guest.guest_user import Guest, without_capabilities
from workspace.system import processes
from workspace.system.processes import Completed

OUTPUT_BYTES = 64 * 2**20
"""The limit of an output that is kept in memory. The names of 500,000 files have about 30 MB."""

_ERROR_BYTES = 64 * 2**10
_CHUNK = 2**18
_POLL_SECONDS = 0.1
_GRACE_SECONDS = 0.02
_SILENCE_SECONDS = 0.5
"""How long an ended program's pipes are read on without a byte. Another program may keep them open for good."""


class OutputTooLarge(GitError):
    """A command wrote more than it may. `limit` is in bytes."""

    def __init__(self, command: Sequence[str], limit: int) -> None:
        super().__init__(command[1], 1, f"it wrote more than {limit:,} bytes")
        self.limit = limit


@dataclass(frozen=True)
class Command:
    """A command line with its user, folder and environment."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    guest: Guest | None = None
    """None: the runner's own, without capabilities."""
    pass_fds: Sequence[int] = ()


@dataclass
class _Kept:
    """The first bytes of a stream. A stream with `strict` raises at its limit."""

    command: Command
    limit: int
    strict: bool = False
    data: bytearray = field(default_factory=bytearray)

    def __call__(self, chunk: bytes) -> None:
        if self.strict and len(self.data) + len(chunk) > self.limit:
            raise OutputTooLarge(self.command.argv, self.limit)
        self.data += chunk[: self.limit - len(self.data)]


def run(
    command: Command,
    *,
    timeout: float,
    stdin: bytes = b"",
    file: IO[bytes] | None = None,
    poll: Callable[[], None] | None = None,
) -> Completed:
    """Runs a command and returns its output. Its process group is dead when this ends.

    Its stdin is `stdin`, or a file that is open for reading, from its position on. Calls `poll` about every 0.1 s; it may
    raise to give up. Raises OutputTooLarge, TimeoutError, OSError.
    """
    out = _Kept(command, OUTPUT_BYTES, strict=True)
    return _run(command, out, stdin=stdin, file=file, timeout=timeout, poll=poll, kept=out)


def copy_output(
    command: Command,
    file: IO[bytes],
    *,
    limit: int,
    timeout: float,
    stdin: bytes = b"",
    poll: Callable[[], None] | None = None,
) -> Completed:
    """Runs a command and writes its stdout into a file. Raises OutputTooLarge, TimeoutError, OSError."""
    written = 0

    def write(chunk: bytes) -> None:
        nonlocal written
        written += len(chunk)
        if written > limit:
            raise OutputTooLarge(command.argv, limit)
        file.write(chunk)

    return _run(command, write, stdin=stdin, timeout=timeout, poll=poll)


def pipe(
    source: Command,
    sink: Command,
    *,
    timeout: float,
    stdin: bytes = b"",
    poll: Callable[[], None] | None = None,
) -> tuple[Completed, Completed]:
    """Runs two commands, the first one's stdout being the second one's stdin. Returns how both ended.

    The sink limits its own input. Raises OutputTooLarge, TimeoutError, OSError.
    """
    out = _Kept(sink, OUTPUT_BYTES, strict=True)
    errors = _Kept(source, _ERROR_BYTES), _Kept(sink, _ERROR_BYTES)
    with _started(source, stdin=subprocess.PIPE) as first:
        between = cast(IO[bytes], first.stdout)
        with _started(sink, stdin=between) as second:
            # Only the sink reads now: if it ends early, the source gets SIGPIPE.
            between.close()
            pump = _Pump(sink, (first, second), time.monotonic() + timeout, poll)
            pump.run(first.stdin, stdin, {first.stderr: errors[0], second.stdout: out, second.stderr: errors[1]})
    return (
        Completed(first.returncode, b"", _text(errors[0])),
        Completed(second.returncode, bytes(out.data), _text(errors[1])),
    )


def _run(
    command: Command,
    write: Callable[[bytes], None],
    *,
    timeout: float,
    poll: Callable[[], None] | None,
    stdin: bytes = b"",
    file: IO[bytes] | None = None,
    kept: _Kept | None = None,
) -> Completed:
    error = _Kept(command, _ERROR_BYTES)
    source: int | IO[bytes] = file if file is not None else subprocess.PIPE if stdin else subprocess.DEVNULL
    with _started(command, stdin=source) as child:
        pump = _Pump(command, (child,), time.monotonic() + timeout, poll)
        pump.run(child.stdin, stdin, {child.stdout: write, child.stderr: error})
    return Completed(child.returncode, bytes(kept.data) if kept else b"", _text(error))


def _text(kept: _Kept) -> str:
    return kept.data.decode("utf-8", "replace")


@contextlib.contextmanager
def _started(command: Command, *, stdin: int | IO[bytes]) -> Iterator["subprocess.Popen[bytes]"]:
    options: dict[str, Any] = {
        "cwd": command.cwd,
        "env": dict(command.env),
        "stdin": stdin,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "pass_fds": tuple(command.pass_fds),
        "bufsize": 0,
    }
    with command.guest.at_work() if command.guest is not None else contextlib.nullcontext():
        # The gate is open already: starting through it a second time would wait for whoever closes it now.
        argv = command.guest.command(command.argv) if command.guest is not None else without_capabilities(command.argv)
        child = processes.start_early(argv, **options)
        try:
            yield child
        finally:
            if child.poll() is None:
                # git removes its lock files and temporary packs on SIGTERM, but not on SIGKILL.
                processes.signal_group(child.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(1.0)
            processes.signal_group(child.pid, signal.SIGKILL)
            child.wait()
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            processes.forget(child)


@dataclass
class _Pump:
    """Feeds the input of programs and reads their outputs, until all have ended."""

    command: Command
    children: Sequence["subprocess.Popen[bytes]"]
    deadline: float
    poll: Callable[[], None] | None
    heard: float = field(default_factory=time.monotonic)
    """When the last byte came."""

    def run(
        self, target: IO[bytes] | None, data: bytes, streams: Mapping[IO[bytes] | None, Callable[[bytes], None]]
    ) -> None:
        with selectors.DefaultSelector() as selector:
            for stream, write in streams.items():
                if stream is not None:
                    os.set_blocking(stream.fileno(), False)
                    selector.register(stream, selectors.EVENT_READ, write)
            if target is not None:
                os.set_blocking(target.fileno(), False)
                selector.register(target, selectors.EVENT_WRITE, memoryview(data))
            while not self._is_over(selector):
                if time.monotonic() > self.deadline:
                    raise TimeoutError(f"{' '.join(self.command.argv[:2])} did not end in time")
                if self.poll is not None:
                    self.poll()

    def _is_over(self, selector: selectors.BaseSelector) -> bool:
        """Moves what is ready. Returns whether the programs have ended and their output is read."""
        ended = all(child.poll() is not None for child in self.children)
        if not selector.get_map():
            time.sleep(0.0 if ended else 0.002)
            return ended
        ready = selector.select(_GRACE_SECONDS if ended else _POLL_SECONDS)
        for key, events in ready:
            self.heard = time.monotonic()
            if events & selectors.EVENT_WRITE:
                _feed(selector, key)
            elif chunk := os.read(key.fd, _CHUNK):
                key.data(chunk)
            else:
                selector.unregister(key.fileobj)
        return ended and not ready and time.monotonic() - self.heard > _SILENCE_SECONDS


def _feed(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    try:
        left = key.data[os.write(key.fd, key.data[:_CHUNK]) :]
    except BrokenPipeError:
        left = b""
    if left:
        selector.modify(key.fileobj, selectors.EVENT_WRITE, left)
    else:
        selector.unregister(key.fileobj)
        cast(IO[bytes], key.fileobj).close()
