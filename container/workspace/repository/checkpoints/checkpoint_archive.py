"""The checkpoint's archive: a zstd-compressed tar of the git bundle, the Claude transcripts and meta.json."""

import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

import zstandard

from sitewright.contracts.base import Contract
from workspace.guest.guest_files import Entry, GuestFileError
from workspace.repository.checkpoints import transcript_files

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUNDLE = "repository.bundle"
META = "meta.json"
TRANSCRIPTS = "projects"
VERSION = 1

# Level 1 is enough: a bundle is compressed already, and transcripts shrink tenfold at any level.
_LEVEL = 1


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
    kept: tuple[str, ...] = ()
    """Files of the snapshot that git ignores: the agent wrote them."""

    @property
    def dirty(self) -> bool:
        """Whether there were uncommitted changes."""
        return self.snapshot is not None


def fingerprint(refs: str, meta: CheckpointMeta, transcripts: Iterable[Entry]) -> str:
    """Returns a digest of a checkpoint's content. Equal digests mean equal checkpoints.

    Command and `settled` count only if there are uncommitted edits.
    """
    whose = f"{meta.command_id} {meta.settled}" if meta.dirty else ""
    parts = [refs, meta.head, str(meta.branch), str(meta.snapshot), whose, *(f"{t.path} {t.size}" for t in transcripts)]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def write(target: Path, *, bundle: Path, home: Path, meta: CheckpointMeta) -> None:
    """Writes the archive. Transcripts that change or vanish meanwhile, or are over a limit, are left out."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    with (
        target.open("wb") as file,
        compressor.stream_writer(file) as stream,
        tarfile.open(fileobj=stream, mode="w|") as tar,
    ):
        _add(tar, META, meta.to_json().encode())
        for entry in transcript_files.saved_files(home):
            try:
                content = transcript_files.read(home, entry.path)
            except GuestFileError:
                continue
            _add(tar, f"{TRANSCRIPTS}/{entry.path}", content, entry.mtime_ns / 1e9)
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


def download(s3: "S3Client", bucket: str, key: str, into: Path) -> CheckpointMeta:
    """Downloads a checkpoint, unpacks it into an empty folder, and returns its meta.

    Raises CheckpointError for one that is gone or damaged, botocore's exceptions.
    """
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    except s3.exceptions.NoSuchKey as error:
        raise CheckpointError("the object is gone") from error
    # Downloads first. So a broken connection is a network error, not a damaged archive.
    packed = into / "archive"
    with packed.open("wb") as file:
        for chunk in body.iter_chunks(1 << 20):
            file.write(chunk)
    with packed.open("rb") as file:
        return read(file, into)


def _add(tar: tarfile.TarFile, name: str, content: bytes, mtime: float = 0.0) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(content), int(mtime), 0o600
    tar.addfile(entry, io.BytesIO(content))
