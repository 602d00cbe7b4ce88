"""Finds the files that the agent wrote, that git ignores, and that a build may read.

Such a file is in no commit. The site has it as long as this workspace lives; the next one builds without it.
"""

import stat
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from sitewright.contracts.limits import CHECKOUT_FILE_BYTES
from workspace.guest import guest_files
from workspace.guest.guest_files import GuestFileError
from workspace.repository.checkout import Checkout
from workspace.repository.local_rules import CACHES, PACKAGES
from workspace.repository.objects.transport import must

KEPT = 100
"""How many such files a checkpoint keeps."""

_ENTRIES = 5_000
"""The entries of ignored folders that are looked at."""

_STATUS = ("status", "--porcelain", "-z", "--ignored=matching", "--untracked-files=all")

_NO_SOURCES = frozenset(
    {PACKAGES, *CACHES, ".git", ".claude", ".idea", ".vscode", "__pycache__", "coverage", "logs", "temp", "tmp"}
)
"""Folders that no build reads as a source."""

_LITTER = (".log", ".pid", ".pyc", ".swp", ".tmp", "~", ".DS_Store", ".tsbuildinfo")


def written_since(checkout: Checkout, since: float) -> list[str]:
    """Returns the ignored files that were written after `since` (seconds since the epoch), sorted, at most KEPT.

    Leaves out packages, caches, what builds write, and files over the limit of a commit. Raises GitError.
    """
    found = sorted(path for path, written in _candidates(checkout) if written >= since)
    return found[:KEPT]


def still_ignored(checkout: Checkout, paths: Iterable[str]) -> list[str]:
    """Returns those of these files that exist and that git still ignores. Raises GitError."""
    there = [path for path in paths if guest_files.is_regular(checkout.site, path)]
    if not there:
        return []
    asked = "".join(f"{path}\0" for path in there).encode("utf-8", "surrogateescape")
    # Without --no-index a file that somebody added by force counts as not ignored.
    found = checkout.git.run("check-ignore", "-z", "--stdin", stdin=asked, check=False)
    return [path for path in there if path in set(found.split("\0"))]


def may_be_read(path: str, outputs: Iterable[str] = ()) -> bool:
    """Returns whether a build may read an ignored file, by its name. Pure."""
    inside = any(path == folder or path.startswith(f"{folder}/") for folder in outputs)
    return not inside and not _NO_SOURCES & set(PurePosixPath(path).parts) and not path.endswith(_LITTER)


def _candidates(checkout: Checkout) -> Iterator[tuple[str, float]]:
    """Yields paths and times of writing."""
    done = must("status", checkout.git.completed(*_STATUS, env={"GIT_OPTIONAL_LOCKS": "0"}))
    outputs, left = (*checkout.rules.outputs, *checkout.rules.made), _ENTRIES
    for entry in done.stdout.decode("utf-8", "surrogateescape").split("\0"):
        kind, path = entry[:3], entry[3:]
        if kind != "!! " or not may_be_read(path.rstrip("/"), outputs):
            continue
        for name, status in _files(checkout, path, left):
            left -= 1
            if may_be_read(name, outputs):
                yield name, status
        if left <= 0:
            return


def _files(checkout: Checkout, path: str, limit: int) -> Iterator[tuple[str, float]]:
    folder = path.rstrip("/")
    try:
        entry = guest_files.look(checkout.site, folder)
        if entry is None:
            return
        if not entry.is_folder:
            found = [(folder, entry)]
        else:
            inside = guest_files.walk(checkout.site, folder, max_entries=limit, skipped=_NO_SOURCES)
            found = [(f"{folder}/{inner.path}", inner) for inner in inside]
    except GuestFileError:
        # More than anybody writes by hand.
        return
    for name, file in found:
        if stat.S_ISREG(file.kind) and file.size <= CHECKOUT_FILE_BYTES:
            yield name, file.mtime_ns / 1e9
