"""Reads the folder of a build, in which unreviewed code may have left anything.

Each folder and file is opened from its parent folder, without following a link and without waiting for a fifo. Only regular
files are read. The same holds when a file is sent: it may have been replaced after the scan.
"""

import hashlib
import os
import stat
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.limits import DIST_BYTES, DIST_ENTRIES, DIST_FILE_BYTES, DIST_FILES, KEY_BYTES
from sitewright.publishing.errors import DistRefused
from sitewright.publishing.site_files import LocalFile, cache_control, content_type

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_CHUNK = 2**20
_POINTER = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES = 1024
"""A pointer of Git LFS begins so and is shorter (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md)."""

_CHECK_EVERY = 500
_SHOWN = 200
"""Bytes of a path in an error's text."""


def scan(dist: Path, check: Callable[[], None] = lambda: None) -> list[LocalFile]:
    """Returns the regular files below a folder, sorted by key. Calls `check` every few files and megabytes; it may raise.

    Leaves out links, fifos, devices and sockets: the build chose the links' targets, and the bucket is public. Ends at the
    first file beyond a limit. Sizes are apparent and checked before a file is read, so a sparse file costs nothing.

    Raises DistRefused (a name that S3 refuses, too many or too large files), OSError.
    """
    root = os.fspath(dist)
    found, left = list[LocalFile](), DIST_BYTES
    with _Folders(root) as folders:
        for key, folder in _walk(folders, check):
            found.append(_describe(root, key, folder, left, check))
            left -= found[-1].size
    return sorted(found, key=lambda file: file.key)


@contextmanager
def open_file(file: LocalFile) -> Iterator[FileIO]:
    """Opens a file of a build. Raises OSError if it is missing, or not a regular file of the same folder any more."""
    with open_beneath(file.root, file.name) as opened:
        yield opened


def read_each(files: Sequence[LocalFile], limit: int) -> Iterator[tuple[LocalFile, bytes]]:
    """Yields files of one build with their first `limit` bytes. Keeps the folder of neighbours open. Raises OSError."""
    if not files:
        return
    with _Folders(files[0].root) as folders:
        for file in files:
            *parents, last = file.name.split("/")
            descriptor, _ = _open_regular(last, folders.open(parents), file.name)
            with FileIO(descriptor, "rb") as opened:
                yield file, opened.read(limit)


@contextmanager
def open_beneath(root: str | Path, name: str) -> Iterator[FileIO]:
    """Opens the regular file `name` (with slashes) below a folder, without following a link.

    Raises OSError: it is missing, a part of its path is a link, or it is no regular file.
    """
    *parents, last = name.split("/")
    if ".." in parents:
        raise OSError(f"{_short(name)} leads out of the folder")
    with _Folders(os.fspath(root)) as folders:
        opened = FileIO(_open_regular(last, folders.open(parents), name)[0], "rb")
    with opened:
        yield opened


class _Folders:
    """Opens folders below a root. Keeps the last opened one and its parents, for the next one is mostly their neighbour."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._chain: list[tuple[str, int]] = []

    def __enter__(self) -> "_Folders":
        self._chain.append(("", os.open(self._root, _FOLDER)))
        return self

    def __exit__(self, *_: object) -> None:
        self._close_to(0)

    def open(self, parts: Sequence[str]) -> int:
        """Returns the descriptor of a folder, which the next call may close. Raises OSError."""
        chain = self._chain
        common = 0
        while common < len(parts) and common + 1 < len(chain) and chain[common + 1][0] == parts[common]:
            common += 1
        self._close_to(common + 1)
        for name in parts[common:]:
            chain.append((name, os.open(name, _FOLDER, dir_fd=chain[-1][1])))
        return chain[-1][1]

    def _close_to(self, length: int) -> None:
        while len(self._chain) > length:
            os.close(self._chain.pop()[1])


def _walk(folders: _Folders, check: Callable[[], None]) -> Iterator[tuple[str, int]]:
    """Yields the keys of the regular files, with the descriptor of the file's folder.

    Raises DistRefused as soon as a limit is exceeded, and OSError.
    """
    files = entries = 0
    waiting: list[str] = [""]
    while waiting:
        prefix = waiting.pop()
        folder = folders.open(prefix.split("/")[:-1])
        # One pass: to open each folder a second time would cost a third of the scan.
        with os.scandir(folder) as found:
            for entry in found:
                entries += 1
                if entries > DIST_ENTRIES:
                    raise _too_large(f"dist has more than {DIST_ENTRIES:,} files and folders")
                if entries % _CHECK_EVERY == 0:
                    check()
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{_named(prefix + entry.name)}/")
                elif entry.is_file(follow_symlinks=False):
                    key = _named(prefix + entry.name)
                    files += 1
                    if files > DIST_FILES:
                        raise _too_large(f"dist has more than {DIST_FILES:,} files")
                    yield key, folder


def _named(key: str) -> str:
    """Returns the key if S3 can store, list and delete it. Raises DistRefused."""
    if key.isascii() and key.isprintable() and len(key) <= KEY_BYTES:
        return key
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise _unpublishable(f"dist/{_short(key)} has a name that is not UTF-8") from error
    if length > KEY_BYTES:
        raise _unpublishable(f"dist/{_short(key)}… has a path of {length:,} bytes, at most {KEY_BYTES:,} are allowed")
    if found := next((char for char in key if not _is_storable(char)), None):
        raise _unpublishable(
            f"dist/{_short(key)} has the character U+{ord(found):04X} in its path, which no key may have"
        )
    return key


def _is_storable(char: str) -> bool:
    # XML 1.0 cannot carry control characters and U+FFFE, U+FFFF. S3's DeleteObjects and many tools cannot name such a key.
    return unicodedata.category(char) != "Cc" and char not in "\ufffe\uffff"


def _describe(root: str, key: str, folder: int, left: int, check: Callable[[], None]) -> LocalFile:
    """Reads a file of at most `left` bytes."""
    digest, crc32, size, pointer = hashlib.md5(usedforsecurity=False), 0, 0, False
    descriptor, length = _open_regular(key.rpartition("/")[2], folder, key)
    try:
        if length > DIST_FILE_BYTES:
            raise _too_large(f"dist/{_short(key)} has {length:,} bytes, at most {DIST_FILE_BYTES:,} are allowed")
        if length > left:
            raise _too_large(f"the files in dist have more than {DIST_BYTES:,} bytes together")
        while chunk := os.read(descriptor, _CHUNK):
            digest.update(chunk)
            crc32 = zlib.crc32(chunk, crc32)
            size += len(chunk)
            # A short read of a regular file is its end. Most files are short, and each call counts with 100,000 of them.
            if len(chunk) < _CHUNK:
                pointer = size < _POINTER_BYTES and chunk.startswith(_POINTER)
                break
            check()
            if size > DIST_FILE_BYTES:
                raise _too_large(f"dist/{_short(key)} grows beyond {DIST_FILE_BYTES:,} bytes while it is read")
    finally:
        os.close(descriptor)
    return LocalFile(
        key, root, digest.hexdigest(), size, content_type(key), cache_control(key), crc32, is_lfs_pointer=pointer
    )


def _open_regular(name: str, folder: int, shown: str) -> tuple[int, int]:
    """Returns a file's descriptor and size. Raises OSError."""
    descriptor = os.open(name, _FILE, dir_fd=folder)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode):
        return descriptor, found.st_size
    os.close(descriptor)
    raise OSError(f"{_short(shown)} is no regular file")


def _short(key: str) -> str:
    """Returns a path for a text: cut, with escapes for what cannot be shown."""
    cut = key.encode("utf-8", "surrogateescape")[:_SHOWN].decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)


def _unpublishable(text: str) -> DistRefused:
    return DistRefused(ErrorCode.UNPUBLISHABLE_NAME, f"{text}. Rename the file.")


def _too_large(text: str) -> DistRefused:
    return DistRefused(ErrorCode.SITE_TOO_LARGE, f"{text}.")
