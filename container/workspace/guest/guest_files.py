"""Opens files of the guest's without trusting a name, a kind or a size.

The guest may put a link, a fifo, a device or a sparse file of any size under any name. So a path is opened component by
component beneath a root (openat(2)), follows no link, never blocks, and each read has a limit.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePath
from typing import BinaryIO

from workspace.errors import WorkspaceError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

MAX_DEPTH = 128
"""The depth of folders at which a walk ends. Each level keeps a folder open."""


class Refusal(StrEnum):
    """Why a file of the guest's is not read."""

    MISSING = "missing"
    LINK = "link"
    """A component of the path is a symbolic link."""
    NOT_REGULAR = "not_regular"
    """It is a folder, fifo, socket or device."""
    TOO_LARGE = "too_large"
    """The limit is in bytes."""
    TOO_MANY = "too_many"
    """The limit is a number of files and folders."""
    TOO_DEEP = "too_deep"
    """The limit is a number of folders."""
    UNREADABLE = "unreadable"
    """Another error of the file system, or a name that leads out of the root."""


class GuestFileError(WorkspaceError):
    """A file of the guest's is not read. `path` is relative to the root; `limit` belongs to some reasons."""

    def __init__(self, path: PurePath | str, reason: Refusal, limit: int | None = None) -> None:
        of = f" (limit {limit:,})" if limit is not None else ""
        super().__init__(f"{str(path)!r}: {reason.value.replace('_', ' ')}{of}")
        self.path = str(path)
        self.reason = reason
        self.limit = limit


@dataclass(frozen=True)
class Entry:
    """One file, link or folder of a walk. Sizes are in bytes."""

    path: str
    """Relative to the walk's root, with slashes. Bytes that are no UTF-8 are surrogate escapes."""
    kind: int
    """The type bits of `st_mode`; see stat.S_ISREG and its kin."""
    size: int
    mtime_ns: int

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.kind)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.kind)


def read_file(root: Path, name: PurePath | str, *, limit: int) -> bytes:
    """Returns the content of a regular file beneath `root`, of at most `limit` bytes. Raises GuestFileError."""
    with open_file(root, name, limit=limit) as file:
        # One more byte tells whether the file grew since its size was read.
        data = file.read(limit + 1)
    if len(data) > limit:
        raise GuestFileError(name, Refusal.TOO_LARGE, limit)
    return data


@contextlib.contextmanager
def open_file(root: Path, name: PurePath | str, *, limit: int) -> Iterator[BinaryIO]:
    """Opens a regular file beneath `root` for reading, of at most `limit` bytes now. It may still grow.

    Raises GuestFileError.
    """
    parts = _parts(name)
    with _folder(root, parts[:-1], name) as folder:
        try:
            fd = os.open(parts[-1], _FILE, dir_fd=folder)
        except OSError as error:
            raise _refused(name, error) from error
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise GuestFileError(name, Refusal.NOT_REGULAR)
        if found.st_size > limit:
            raise GuestFileError(name, Refusal.TOO_LARGE, limit)
        file = os.fdopen(fd, "rb", closefd=False)
        with file:
            yield file
    finally:
        os.close(fd)


def link_target(root: Path, name: PurePath | str) -> str | None:
    """Returns where a symbolic link beneath `root` points to; None if it is none, is missing or is behind a link."""
    try:
        parts = _parts(name)
        with _folder(root, parts[:-1], name) as folder:
            return os.readlink(parts[-1], dir_fd=folder)
    except (GuestFileError, OSError):
        return None


def is_regular(root: Path, name: PurePath | str) -> bool:
    """Returns whether a regular file is beneath `root`, with no link on the way."""
    entry = look(root, name)
    return entry is not None and entry.is_file


def is_folder(root: Path, name: PurePath | str) -> bool:
    """Returns whether a folder is beneath `root`, with no link on the way."""
    entry = look(root, name)
    return entry is not None and entry.is_folder


def look(root: Path, name: PurePath | str) -> Entry | None:
    """Returns a file's, link's or folder's properties; None if it is missing or behind a link."""
    parts = _parts(name)
    try:
        with _folder(root, parts[:-1], name) as folder:
            return _entry("/".join(parts), os.stat(parts[-1], dir_fd=folder, follow_symlinks=False))
    except (GuestFileError, OSError):
        return None


def below(folder: str, name: str) -> str:
    """Returns the name of a file or folder in a folder, which may be empty for the root itself. Pure."""
    return f"{folder}/{name}" if folder else name


@contextlib.contextmanager
def held(root: Path, name: str) -> Iterator[Path]:
    """Opens the folder `name` beneath `root`, or the root itself, and yields a path to it that no link can redirect.

    The path is for the block only. Raises GuestFileError (a component is a link, or missing).
    """
    if not name or not Path("/proc/self/fd").is_dir():
        # Without /proc there is one user: the guest reads the same files.
        yield root / name
        return
    with _folder(root, _parts(name), name) as folder:
        yield Path(f"/proc/self/fd/{folder}")


def walk(
    root: Path,
    name: PurePath | str = ".",
    *,
    max_entries: int,
    max_bytes: int | None = None,
    skipped: Collection[str] = (),
) -> Iterator[Entry]:
    """Yields all files, links and folders beneath the folder `name` of `root`, folders before their content.

    It follows no link, and enters no folder whose name is `skipped`. Paths are relative to that folder. A missing
    folder has no entries.

    Raises GuestFileError: TOO_MANY after `max_entries`, TOO_LARGE once the regular files' sizes exceed `max_bytes`
    together, TOO_DEEP.
    """
    parts = [] if str(name) in {"", "."} else _parts(name)
    try:
        opened = _folder(root, parts, name)
        with opened as folder:
            yield from _Walk(max_entries, max_bytes, skipped).below(folder, "")
    except GuestFileError as error:
        if error.reason is not Refusal.MISSING:
            raise


@dataclass
class _Walk:
    left: int
    max_bytes: int | None
    skipped: Collection[str] = ()
    entries: int = 0
    total: int = 0

    def __post_init__(self) -> None:
        self.max_entries = self.left

    def below(self, folder: int, prefix: str, depth: int = 0) -> Iterator[Entry]:
        for found in self._listed(folder, prefix):
            yield found
            if found.is_folder and found.path.rpartition("/")[2] not in self.skipped:
                if depth >= MAX_DEPTH:
                    raise GuestFileError(found.path, Refusal.TOO_DEEP, MAX_DEPTH)
                try:
                    inner = os.open(found.path.rpartition("/")[2], _FOLDER, dir_fd=folder)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    raise _refused(found.path, error) from error
                try:
                    yield from self.below(inner, f"{found.path}/", depth + 1)
                finally:
                    os.close(inner)

    def _listed(self, folder: int, prefix: str) -> list[Entry]:
        entries = []
        with os.scandir(folder) as listing:
            for item in listing:
                path = prefix + item.name
                self.left -= 1
                if self.left < 0:
                    raise GuestFileError(path, Refusal.TOO_MANY, self.max_entries)
                try:
                    entry = _entry(path, os.stat(item.name, dir_fd=folder, follow_symlinks=False))
                except FileNotFoundError:
                    continue
                if entry.is_file:
                    self.total += entry.size
                    if self.max_bytes is not None and self.total > self.max_bytes:
                        raise GuestFileError(path, Refusal.TOO_LARGE, self.max_bytes)
                entries.append(entry)
        return sorted(entries, key=lambda entry: entry.path)


@contextlib.contextmanager
def _folder(root: Path, parts: list[str], name: PurePath | str) -> Iterator[int]:
    """The descriptor of a folder beneath `root`. The root itself is the runner's choice, its last component no link."""
    try:
        fd = os.open(root, _FOLDER)
    except OSError as error:
        raise _refused(name, error) from error
    try:
        for part in parts:
            try:
                inner = os.open(part, _FOLDER, dir_fd=fd)
            except OSError as error:
                raise _refused(name, error, folder=True) from error
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


def _parts(name: PurePath | str) -> list[str]:
    parts = [part for part in str(name).split("/") if part not in {"", "."}]
    if not parts or ".." in parts or str(name).startswith("/") or "\0" in str(name):
        raise GuestFileError(name, Refusal.UNREADABLE)
    return parts


def _entry(path: str, found: os.stat_result) -> Entry:
    return Entry(path, stat.S_IFMT(found.st_mode), found.st_size, found.st_mtime_ns)


def _refused(name: PurePath | str, error: OSError, *, folder: bool = False) -> GuestFileError:
    if error.errno == errno.ENOENT:
        return GuestFileError(name, Refusal.MISSING)
    if error.errno == errno.ELOOP:
        return GuestFileError(name, Refusal.LINK)
    if error.errno == errno.ENOTDIR:
        # With O_DIRECTORY and O_NOFOLLOW a link answers ENOTDIR too.
        return GuestFileError(name, Refusal.LINK if folder else Refusal.MISSING)
    if error.errno in {errno.ENXIO, errno.EISDIR}:
        return GuestFileError(name, Refusal.NOT_REGULAR)
    return GuestFileError(name, Refusal.UNREADABLE)
