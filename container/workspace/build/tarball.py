"""Packs and unpacks zstd-compressed tar archives of folders.

Uses the tar program. Python's tarfile takes four times as long for 10,000 small files.

Archives may be concatenated. Then all are unpacked, a later one over an earlier one.
"""

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from workspace.system import processes

_CHUNK = 1 << 20
_LEVEL = 3
"""157 MB of node_modules become 39 MB in half a second on two cores. Higher levels cost more than they save."""


class ArchiveError(Exception):
    """The archive cannot be used. The text has the reason."""


def pack(
    archive: Path, folder: Path, names: Sequence[str], *, env: Mapping[str, str], check: Callable[[], None]
) -> None:
    """Writes an archive of files and folders of `folder`. `check` may raise to give up.

    Raises ArchiveError, zstandard.ZstdError, OSError.
    """
    compressor = zstandard.ZstdCompressor(level=_LEVEL, threads=-1)
    with (
        archive.open("wb") as file,
        compressor.stream_writer(file, closefd=False) as packed,
        _tar(("--create", "--directory", str(folder), "--", *names), env, stdout=subprocess.PIPE) as tar,
    ):
        pipe = cast(IO[bytes], tar.stdout)
        while chunk := pipe.read(_CHUNK):
            check()
            packed.write(chunk)


def unpack(packed: IO[bytes], into: Path, *, env: Mapping[str, str], check: Callable[[], None]) -> None:
    """Unpacks concatenated archives. `check` may raise to give up.

    Raises ArchiveError, zstandard.ZstdError, OSError and the errors of reading `packed`.
    """
    reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
    # --ignore-zeros: an archive ends with blocks of zeros, and the next one follows.
    options = ("--extract", "--ignore-zeros", "--no-same-owner", "--directory", str(into))
    with _tar(options, env, stdin=subprocess.PIPE) as tar:
        pipe = cast(IO[bytes], tar.stdin)
        while chunk := reader.read(_CHUNK):
            check()
            pipe.write(chunk)
        pipe.close()


@contextlib.contextmanager
def _tar(options: Sequence[str], env: Mapping[str, str], **pipes: Any) -> Iterator["subprocess.Popen[bytes]"]:
    tar = processes.start(("tar", *options), env=dict(env), stderr=subprocess.DEVNULL, **pipes)
    try:
        yield tar
        returncode = tar.wait()
    finally:
        for pipe in (tar.stdin, tar.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        processes.signal_group(tar.pid, signal.SIGKILL)
        tar.wait()
        processes.forget(tar)
    if returncode != 0:
        raise ArchiveError(f"tar exited with {returncode}")
