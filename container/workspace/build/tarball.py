"""Packs and unpacks zstd-compressed tar archives of the guest's folders.

The tar program runs as the guest, and the runner only compresses and counts its stream. So an archive has nothing that the
guest could not read, and unpacks to nothing that the guest could not write. Python's tarfile takes four times as long for
10,000 small files.
"""

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from workspace.guest.guest_user import Guest
from workspace.system import processes

_CHUNK = 1 << 20
_LEVEL = 3
"""157 MB of node_modules become 39 MB in half a second on two cores. Higher levels cost more than they save."""

SECONDS = 300.0
"""The limit for one archive. 500 MB take some seconds."""

_WATCH_SECONDS = 0.5


class ArchiveError(Exception):
    """The archive cannot be used. The text has the reason."""


@dataclass(frozen=True)
class Tarball:
    """Packs and unpacks for one step."""

    guest: Guest
    env: Mapping[str, str] = field(repr=False)
    check: Callable[[], None] = field(repr=False)
    """Called every megabyte; may raise to give up."""

    def pack(self, archive: Path, folder: Path, names: Sequence[str], *, limit: int) -> None:
        """Writes an archive of files and folders of `folder`, of at most `limit` bytes before the compression.

        Raises ArchiveError, zstandard.ZstdError, OSError, TimeoutError.
        """
        compressor, size = zstandard.ZstdCompressor(level=_LEVEL, threads=-1), 0
        options = ("--create", "--directory", str(folder), "--", *names)
        with (
            archive.open("xb") as file,
            compressor.stream_writer(file, closefd=False) as packed,
            self._tar(options, stdout=subprocess.PIPE) as tar,
        ):
            pipe = cast(IO[bytes], tar.stdout)
            while chunk := pipe.read(_CHUNK):
                self.check()
                size += len(chunk)
                if size > limit:
                    raise ArchiveError(f"it has more than {limit:,} bytes")
                packed.write(chunk)

    def unpack(self, packed: IO[bytes], into: Path) -> None:
        """Unpacks an archive into a folder of the guest's.

        Raises ArchiveError, zstandard.ZstdError, OSError, TimeoutError and the errors of reading `packed`.
        """
        reader = zstandard.ZstdDecompressor().stream_reader(packed)
        options = ("--extract", "--no-same-owner", "--directory", str(into))
        with self._tar(options, stdin=subprocess.PIPE) as tar:
            pipe = cast(IO[bytes], tar.stdin)
            while chunk := reader.read(_CHUNK):
                self.check()
                pipe.write(chunk)
            pipe.close()

    @contextlib.contextmanager
    def _tar(self, options: Sequence[str], **pipes: Any) -> Iterator["subprocess.Popen[bytes]"]:
        tar = processes.start(
            ("tar", *options), guest=self.guest, env=dict(self.env), stderr=subprocess.DEVNULL, **pipes
        )
        ended = threading.Event()
        threading.Thread(target=self._watch, args=(tar, ended), name="tar", daemon=True).start()
        try:
            yield tar
            returncode = tar.wait()
        finally:
            ended.set()
            for pipe in (tar.stdin, tar.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            processes.signal_group(tar.pid, signal.SIGKILL)
            tar.wait()
            processes.forget(tar)
        if returncode != 0:
            raise ArchiveError(f"tar exited with {returncode}")

    def _watch(self, tar: "subprocess.Popen[bytes]", ended: threading.Event) -> None:
        """Ends a tar that makes no progress: a process of the guest's may have stopped it (SIGSTOP)."""
        deadline = time.monotonic() + SECONDS
        while not ended.wait(_WATCH_SECONDS):
            try:
                self.check()
            except Exception:
                # The thread that reads or writes meets the closed pipe, and then raises the same.
                deadline = 0.0
            if time.monotonic() > deadline:
                processes.signal_group(tar.pid, signal.SIGKILL)
                return
