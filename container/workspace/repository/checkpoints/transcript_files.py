"""The files of Claude Code's conversations in the guest's HOME, read as what they are: written by anybody, of any size."""

import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sitewright.contracts.limits import TRANSCRIPT_BYTES, TRANSCRIPT_FILES, TRANSCRIPTS_BYTES
from workspace.guest import guest_files
from workspace.guest.guest_files import Entry, GuestFileError
from workspace.repository.guest_git import GuestGit
from workspace.repository.objects.transport import must

FOLDER = ".claude/projects"
"""Below HOME. A folder for each working folder of Claude Code, a file for each conversation in it."""

LINE_BYTES = 16 * 2**20
"""A longer line counts as damaged. A line of JSON takes up to thirty times its size in memory."""

_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")

_UNPACK = 'mkdir -p "$1" && exec tar --extract --no-same-owner --no-same-permissions --directory "$1"'


@dataclass(frozen=True)
class Transcript:
    """One conversation's transcript."""

    path: str
    """Relative to FOLDER."""
    size: int
    mtime_ns: int

    @property
    def conversation_id(self) -> str:
        """The name of the file without its end."""
        return self.path.rpartition("/")[2].removesuffix(".jsonl")


def transcripts_folder(home: Path) -> Path:
    """Returns the folder of Claude Code's conversations."""
    return home / FOLDER


def saved_files(home: Path) -> list[Entry]:
    """Returns the files that go into a checkpoint, sorted by path: regular ones within the limits, newest first kept."""
    kept, total = [], 0
    for entry in sorted(_entries(home), key=lambda entry: -entry.mtime_ns):
        if entry.is_file and entry.size <= TRANSCRIPT_BYTES and total + entry.size <= TRANSCRIPTS_BYTES:
            total += entry.size
            kept.append(entry)
    return sorted(kept, key=lambda entry: entry.path)


def transcripts(home: Path) -> list[Transcript]:
    """Returns all conversations' transcripts, newest first, whatever their size is."""
    found = [
        Transcript(entry.path, entry.size, entry.mtime_ns)
        for entry in _entries(home)
        if entry.is_file and entry.path.count("/") == 1 and entry.path.endswith(".jsonl")
    ]
    return sorted(found, key=lambda transcript: -transcript.mtime_ns)


def newest_conversation(home: Path) -> str | None:
    """Returns the id of the conversation with the newest transcript (`{id}.jsonl`)."""
    ids = (transcript.conversation_id for transcript in transcripts(home))
    return next((name for name in ids if _UUID.match(name)), None)


def read(home: Path, path: str) -> bytes:
    """Returns the content of a file. Raises GuestFileError."""
    return guest_files.read_file(home, f"{FOLDER}/{path}", limit=TRANSCRIPT_BYTES)


def lines(home: Path, path: str) -> Iterator[bytes]:
    """Yields a transcript's lines. A longer one than LINE_BYTES comes in pieces, none of which is JSON.

    Raises GuestFileError.
    """
    with guest_files.open_file(home, f"{FOLDER}/{path}", limit=TRANSCRIPT_BYTES) as file:
        left = TRANSCRIPT_BYTES
        while left > 0 and (line := file.readline(min(LINE_BYTES, left))):
            left -= len(line)
            yield line


def unpack_transcripts(folder: Path, home: Path, git: GuestGit) -> None:
    """Copies a folder of transcripts into the guest's HOME, as the guest. Raises GitError, TimeoutError, OSError."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", errors="surrogateescape") as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                tar.add(path, path.relative_to(folder).as_posix(), recursive=False)
    must("tar", git.script(_UNPACK, home / FOLDER, stdin=packed.getvalue()))


def _entries(home: Path) -> list[Entry]:
    found: list[Entry] = []
    try:
        for entry in guest_files.walk(home, FOLDER, max_entries=TRANSCRIPT_FILES):
            found.append(entry)
    except GuestFileError:
        # The rest is too much, or cannot be read.
        return found
    return found
