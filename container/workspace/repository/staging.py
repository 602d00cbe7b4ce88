"""Puts the files of the checkout into an index of git, but none over a limit."""

import contextlib
import shlex
import struct
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.limits import CHECKOUT_FILE_BYTES, GIT_INDEX_BYTES, NEW_FILES
from workspace.errors import StepFailed
from workspace.guest import guest_files
from workspace.guest.guest_files import GuestFileError
from workspace.repository.checkout_scan import Leftover, clear_git_folder, scan
from workspace.repository.guest_git import SECONDS, GuestGit
from workspace.repository.local_rules import OUTPUTS
from workspace.repository.objects import streams
from workspace.repository.objects.transport import must

_USUALLY_IGNORED = ("node_modules", ".astro", ".cache", *OUTPUTS)
"""Folders at the top with many files. They are looked at only if git does not ignore them."""

_INDEX = ".git/index"
_HEADER = struct.Struct(">4sII")


@dataclass(frozen=True)
class Staging:
    """Stages files of a checkout. All methods raise GitError, TimeoutError, OSError."""

    git: GuestGit

    def add(self, *, check: bool = False) -> Leftover:
        """Adds all files to the checkout's index, and returns what is left out.

        Without `check` a file that git cannot add is left out too.
        """
        leftover = self.look()
        for argv in _adds(leftover, ignore_errors=not check):
            done = self.git.completed(*argv)
            if check:
                must("add", done)
        return leftover

    def add_lines(self) -> str:
        """Returns shell lines that do what `add` does."""
        return _lines(_adds(self.look(), ignore_errors=True))

    def write_tree(self) -> tuple[str, Leftover]:
        """Returns a tree of all files, and what is left out. Neither index nor files change.

        The agent may delete a file while git reads it. git reports an error, which does not matter here.
        """
        tree, _, leftover = self.write_tree_and(":")
        return tree, leftover

    def write_tree_and(self, then: str, *arguments: str, also: Sequence[str] = ()) -> tuple[str, bytes, Leftover]:
        """Does what `write_tree` does, then runs shell lines, which know `$tree` and the arguments as $1 and so on.

        `also` are files in the tree that git ignores. Returns the tree, the lines' output, and what is left out.
        """
        leftover = self.look()
        index = f"{self.git.tmp}/index-{uuid.uuid4().hex}"
        kept = [path for path in also if "\n" not in path and self._fits(path)]
        # The copy keeps the cached file times, so `add` reads only changed files.
        lines = (
            'cat > "$GIT_INDEX_FILE"; [ -s "$GIT_INDEX_FILE" ] || rm -f "$GIT_INDEX_FILE"',
            _lines(_adds(leftover, ignore_errors=True)),
            _kept_lines(kept),
            "tree=$(git write-tree); code=$?",
            'rm -f "$GIT_INDEX_FILE" "$GIT_INDEX_FILE.lock"; unset GIT_INDEX_FILE; [ $code = 0 ] || exit $code',
            'printf "%s\\n" "$tree"',
            then,
        )
        argv = ("sh", "-c", "\n".join(lines), "sh", *arguments)
        command = self.git.command(*argv, env={"GIT_INDEX_FILE": index})
        with self._index() as file:
            done = streams.run(command, file=file, timeout=SECONDS)
        tree, _, said = must("write-tree", done).stdout.partition(b"\n")
        return tree.decode(), said, leftover

    def _fits(self, path: str) -> bool:
        found = guest_files.look(self.git.site, path)
        return found is not None and found.is_file and found.size <= CHECKOUT_FILE_BYTES

    def look(self) -> Leftover:
        """Looks at the checkout, removes what would block git, and returns what has to be left out."""
        clear_git_folder(self.git.site)
        found = scan(self.git.site, skipped=_USUALLY_IGNORED)
        there = [name for name in _USUALLY_IGNORED if guest_files.is_folder(self.git.site, name)]
        if there and (looked_at := set(there) - self._ignored(f"{name}/" for name in there)):
            found = scan(self.git.site, skipped=set(_USUALLY_IGNORED) - looked_at)
        tracked = self._tracked()
        while leftover := found.leftover(tracked):
            ignored = self._ignored((*leftover.large, *(f"{name}/" for name in leftover.crowded if name != ".")))
            if not ignored:
                break
            found = found.without(ignored)
        return leftover

    def _ignored(self, paths: Iterable[str]) -> set[str]:
        """Returns those of these files and folders that git ignores, without a slash at the end."""
        asked = "".join(f"{path}\0" for path in paths).encode("utf-8", "surrogateescape")
        found = self.git.run("check-ignore", "-z", "--stdin", stdin=asked, check=False)
        return {name.rstrip("/") for name in found.split("\0") if name}

    @contextlib.contextmanager
    def _index(self) -> Iterator[BinaryIO | None]:
        with contextlib.ExitStack() as stack:
            try:
                index = guest_files.open_file(self.git.site, _INDEX, limit=GIT_INDEX_BYTES)
                file: BinaryIO | None = stack.enter_context(index)
            except GuestFileError:
                file = None
            yield file

    def _tracked(self) -> int:
        """Returns the number of files in the index, by its header (gitformat-index(5))."""
        try:
            with guest_files.open_file(self.git.site, _INDEX, limit=GIT_INDEX_BYTES) as file:
                signature, _, entries = _HEADER.unpack(file.read(_HEADER.size))
        except (GuestFileError, struct.error):
            return 0
        return int(entries) if signature == b"DIRC" else 0


def refuse(leftover: Leftover) -> None:
    """Raises StepFailed if anything is left out (FILE_TOO_LARGE, TOO_MANY_FILES)."""
    if leftover.large:
        names = ", ".join(leftover.large)
        message = f"Files over {CHECKOUT_FILE_BYTES >> 20} MiB are in no commit: {names}"
        raise StepFailed(ErrorCode.FILE_TOO_LARGE, message)
    if leftover.crowded:
        names = ", ".join("the checkout" if name == "." else name for name in leftover.crowded)
        message = f"More than {NEW_FILES:,} files are new. Those in these folders are in no commit: {names}"
        raise StepFailed(ErrorCode.TOO_MANY_FILES, message)


def _kept_lines(paths: Sequence[str]) -> str:
    """Returns shell lines that add files as they are: no rule leaves them out, and no filter runs."""
    if not paths:
        return ":"
    names = shlex.join(paths)
    return (
        f"printf '%s\\n' {names} | git hash-object -w --no-filters --stdin-paths | {{ for path in {names}; do"
        ' read -r object && printf \'100644 %s\\t%s\\0\' "$object" "$path"; done; } | git update-index -z --index-info'
    )


def _lines(commands: Iterable[tuple[str, ...]]) -> str:
    return "; ".join(shlex.join(("git", *argv)) for argv in commands)


def _adds(leftover: Leftover, *, ignore_errors: bool) -> list[tuple[str, ...]]:
    """Returns the `git add` commands. Pure.

    Of files that git knows each change counts, wherever they are; only new ones may be too many.
    """
    errors = ("--ignore-errors",) if ignore_errors else ()
    if not leftover:
        return [("add", "--all", *errors)]
    large = [f":(top,exclude,literal){path}" for path in leftover.large]
    adds = [("add", "--update", *errors, "--", ".", *large)]
    if "." not in leftover.crowded:
        crowded = [f":(top,exclude,literal){path}" for path in leftover.crowded]
        adds.append(("add", "--all", *errors, "--", ".", *large, *crowded))
    return adds
