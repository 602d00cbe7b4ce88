"""The checkpoint's archive: a zstd-compressed tar of the git bundle, the Claude transcripts and meta.json."""

import hashlib
import io
import re
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import zstandard

from sitewright.contracts.base import Contract

BUNDLE = "repository.bundle"
META = "meta.json"
TRANSCRIPTS = "projects"
VERSION = 1

# Level 1 is enough: a bundle is compressed already, and transcripts shrink tenfold at any level.
_LEVEL = 1
_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


class CheckpointError(Exception):
    """An archive that cannot be read. The text says why."""


class CheckpointMeta(Contract):
    """Describes the content of a checkpoint."""

    version: int = VERSION
    generation: int
    command_id: str
    session_id: str
    settled: bool = False
    """The run's last step was done. So uncommitted changes come from the build, not from an interrupted edit."""
    head: str
    branch: str | None
    """The branch that is checked out; None if HEAD is detached."""
    default_branch: str
    snapshot: str | None = None
    """The uncommitted tree, as a commit; None if there is none."""
    conversation_id: str | None = None

    @property
    def dirty(self) -> bool:
        """Whether there were uncommitted changes."""
        return self.snapshot is not None


def transcripts_folder(home: Path) -> Path:
    """Returns the folder of Claude Code's conversations."""
    return home / ".claude" / TRANSCRIPTS


def transcript_files(home: Path) -> list[tuple[str, int]]:
    """Returns relative path and size of the conversations' files, sorted.

    Omits links, because the agent chose their targets.
    """
    root = transcripts_folder(home)
    found = []
    for path in sorted(root.rglob("*")):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode):
            found.append((path.relative_to(root).as_posix(), status.st_size))
    return found


def newest_conversation(home: Path) -> str | None:
    """Returns the id of the conversation with the newest transcript (`{id}.jsonl`)."""
    newest: tuple[float, str] | None = None
    for path in transcripts_folder(home).glob("*/*.jsonl"):
        if _UUID.match(path.stem) and not path.is_symlink():
            newest = max(newest or (0.0, ""), (path.stat().st_mtime, path.stem))
    return newest[1] if newest else None


def fingerprint(refs: str, meta: CheckpointMeta, transcripts: Iterable[tuple[str, int]]) -> str:
    """Returns a digest of a checkpoint's content. Equal digests mean equal checkpoints.

    Command and `settled` count only if there are uncommitted edits.
    """
    whose = f"{meta.command_id} {meta.settled}" if meta.dirty else ""
    parts = [refs, meta.head, str(meta.branch), str(meta.snapshot), whose, *(f"{p} {s}" for p, s in transcripts)]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def write(target: Path, *, bundle: Path, home: Path, meta: CheckpointMeta) -> None:
    """Writes the archive. If transcripts change or vanish meanwhile, it takes their readable part."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    root = transcripts_folder(home)
    with (
        target.open("wb") as file,
        compressor.stream_writer(file) as stream,
        tarfile.open(fileobj=stream, mode="w|") as tar,
    ):
        _add(tar, META, meta.to_json().encode())
        for name, _ in transcript_files(home):
            try:
                _add(tar, f"{TRANSCRIPTS}/{name}", (root / name).read_bytes(), (root / name).lstat().st_mtime)
            except FileNotFoundError:
                continue
        tar.add(bundle, BUNDLE)


def read(source: IO[bytes], into: Path) -> CheckpointMeta:
    """Unpacks an archive into an empty folder and returns its meta. Raises CheckpointError."""
    try:
        with (
            zstandard.ZstdDecompressor().stream_reader(source) as stream,
            tarfile.open(fileobj=stream, mode="r|") as tar,
        ):
            for member in tar:
                known = member.name in {BUNDLE, META} or member.name.startswith(f"{TRANSCRIPTS}/")
                if member.isfile() and known:
                    tar.extract(member, into, filter="data")
        meta = CheckpointMeta.model_validate_json((into / META).read_bytes())
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError, FileNotFoundError) as error:
        raise CheckpointError(f"the archive cannot be read: {error}") from error
    if meta.version != VERSION or not (into / BUNDLE).is_file():
        raise CheckpointError(f"the archive is of version {meta.version}, or holds no bundle")
    return meta


def _add(tar: tarfile.TarFile, name: str, content: bytes, mtime: float = 0.0) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(content), int(mtime), 0o600
    tar.addfile(entry, io.BytesIO(content))
