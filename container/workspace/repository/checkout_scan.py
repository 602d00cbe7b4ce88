"""Looks at the files of the checkout before git does: what is too large, too much, or would block git.

The guest may write while this runs. So folders are opened beneath the checkout without following a link, and nothing is
opened that could block.
"""

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sitewright.contracts.limits import CHECKOUT_ENTRIES, CHECKOUT_FILE_BYTES, NEW_FILES

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_DEPTH = 128
"""Folders below are not looked at. git takes no path of more than 4,096 bytes."""

_READ_BY_GIT = frozenset({".gitignore", ".gitattributes", ".gitmodules"})
"""Files that git opens in each folder. It would wait for ever at a fifo of such a name."""

_NAMED = 20
"""How many paths are kept for a message."""


@dataclass(frozen=True)
class Leftover:
    """What is left out of commits and checkpoints."""

    large: tuple[str, ...] = ()
    """Files over the limit."""
    crowded: tuple[str, ...] = ()
    """Folders with too many new files; `.` is the whole checkout."""

    def __bool__(self) -> bool:
        """Whether anything is left out."""
        return bool(self.large or self.crowded)


@dataclass
class Scan:
    """The result of a look at the checkout. Paths are relative to it."""

    files: dict[str, int] = field(default_factory=dict)
    """The number of files in each folder, without those of its folders; the checkout itself is the empty string."""
    large: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    """Fifos, sockets and devices in git's way. git cannot store them, so no edit is lost."""

    def leftover(self, tracked: int) -> Leftover:
        """Returns what is left out, given the number of files in git's index. Pure."""
        return Leftover(tuple(self.large), tuple(_crowded(self.files, tracked)))

    def without(self, paths: Collection[str]) -> "Scan":
        """Returns the result without these files and folders. Pure."""
        inside = tuple(f"{path}/" for path in paths)
        files = {path: count for path, count in self.files.items() if not f"{path}/".startswith(inside)}
        return Scan(files, [path for path in self.large if path not in paths and not path.startswith(inside)])


def scan(site: Path, *, skipped: Collection[str] = ()) -> Scan:
    """Looks at all folders of the checkout but the `skipped` ones at the top. Raises OSError if it is no folder."""
    found, entries = Scan(), 0
    for folder, prefix, items in _folders(site, {*skipped, ".git"}):
        count = 0
        for name, status in items:
            entries += 1
            path = prefix + name
            if stat.S_ISREG(status.st_mode):
                count += 1
                if status.st_size > CHECKOUT_FILE_BYTES and len(found.large) < _NAMED:
                    found.large.append(path)
            elif stat.S_ISLNK(status.st_mode):
                count += 1
            elif not stat.S_ISDIR(status.st_mode) and name in _READ_BY_GIT:
                _unlink(folder, name)
                found.removed.append(path)
        found.files[prefix.rstrip("/")] = count
        if entries > CHECKOUT_ENTRIES:
            break
    return found


def clear_git_folder(site: Path) -> list[str]:
    """Removes fifos, sockets and devices from .git, where git would wait for them. Returns their paths."""
    removed, entries = list[str](), 0
    try:
        for folder, prefix, items in _folders(site / ".git", ()):
            for name, status in items:
                entries += 1
                if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                    _unlink(folder, name)
                    removed.append(f".git/{prefix}{name}")
            if entries > CHECKOUT_ENTRIES:
                break
    except OSError:
        # .git is a link, a file, or gone. git says so itself.
        return removed
    return removed


def _folders(root: Path, skipped: Collection[str]) -> Iterator[tuple[int, str, list[tuple[str, os.stat_result]]]]:
    """Yields each folder's descriptor, its path with a slash, and its entries."""
    fd = os.open(root, _FOLDER)
    try:
        yield from _below(fd, "", skipped, 0)
    finally:
        os.close(fd)


def _below(
    folder: int, prefix: str, skipped: Collection[str], depth: int
) -> Iterator[tuple[int, str, list[tuple[str, os.stat_result]]]]:
    items = []
    with os.scandir(folder) as listing:
        for item in listing:
            if item.name in skipped:
                continue
            try:
                items.append((item.name, os.stat(item.name, dir_fd=folder, follow_symlinks=False)))
            except OSError:
                continue
            if len(items) > CHECKOUT_ENTRIES:
                break
    yield folder, prefix, items
    for name, status in items:
        if not stat.S_ISDIR(status.st_mode) or depth >= _DEPTH:
            continue
        try:
            inner = os.open(name, _FOLDER, dir_fd=folder)
        except OSError:
            continue
        try:
            yield from _below(inner, f"{prefix}{name}/", (".git",), depth + 1)
        finally:
            os.close(inner)


def _unlink(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        return


def _crowded(files: dict[str, int], tracked: int) -> Iterator[str]:
    """Yields the folders to leave out, so that at most NEW_FILES of the others' files are new.

    Each is the deepest folder that holds most of the files that are too many.
    """
    left = dict(files)
    while sum(left.values()) - tracked > NEW_FILES:
        heaviest = _heaviest(left)
        if not heaviest:
            yield "."
            return
        yield heaviest
        left = {path: count for path, count in left.items() if path != heaviest and not path.startswith(f"{heaviest}/")}


def _heaviest(files: dict[str, int]) -> str:
    """Returns the deepest folder that still has most of its parent's files; the empty string for the checkout itself."""
    totals: dict[str, int] = {}
    for path, count in files.items():
        parts = path.split("/") if path else []
        for end in range(len(parts) + 1):
            above = "/".join(parts[:end])
            totals[above] = totals.get(above, 0) + count
    folders: dict[str, list[str]] = {}
    for path in totals:
        if path:
            folders.setdefault(path.rpartition("/")[0], []).append(path)
    at = ""
    while inside := folders.get(at):
        best = max(inside, key=lambda path: totals[path])
        if totals[best] < (files.get("", 0) if at == "" else totals[at] / 2):
            break
        at = best
    return at
