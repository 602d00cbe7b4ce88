"""Moves objects between the checkout, the runner's transport repository and bundles: always as packs through a pipe."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.limits import BUNDLE_BYTES, GIT_MEMORY_BYTES
from workspace.errors import GitError, StepFailed
from workspace.repository.guest_git import GuestGit
from workspace.repository.objects import streams
from workspace.repository.objects.transport import Transport, known_commits, must

Poll = Callable[[], None] | None

_REFUSED = re.compile(
    r"fsck error|did not receive expected object|object of unexpected type|exceeds maximum allowed size|out of memory"
    r"|broken links?|failed to apply delta|inflate|pack has bad object|unresolved deltas|pack signature",
    re.IGNORECASE,
)
"""What `git index-pack` says about objects that it refuses."""

_TOO_LARGE = re.compile(r"out of memory|malloc|mmap failed", re.IGNORECASE)
"""What git says at the limit of its memory."""

_LIMITED_GIT = ("prlimit", f"--data={GIT_MEMORY_BYTES}", "--", "git")
"""For commands of the guest's that unfold objects: the task's memory is the runner's too."""

_HEADER_BYTES = 64 * 2**20
_BUNDLE = re.compile(rb"# v[23] git bundle\n")


@dataclass(frozen=True)
class ObjectExchange:
    """Moves objects in and out of a checkout. All methods raise GitError, TimeoutError, OSError."""

    git: GuestGit
    transport: Transport

    def bring(self, commit: str, *, timeout: float, poll: Poll = None) -> None:
        """Brings a commit of the checkout, and what it needs, into the transport.

        Raises StepFailed (OBJECTS_REFUSED) for objects that git's checks refuse.
        """
        self.transport.prepare()
        if self.transport.having([commit]):
            return
        has = self.known(self.transport.refs().values())
        # The pack's source unfolds objects too. Large files get no deltas, which would keep ten of them in memory.
        argv = (
            *_LIMITED_GIT,
            "-c",
            "core.bigFileThreshold=16m",
            "pack-objects",
            "--revs",
            "--stdout",
            "--thin",
            "--delta-base-offset",
            "--quiet",
        )
        wanted = _lines((commit,), has)
        sent, taken = streams.pipe(
            self.git.command(*argv), self.transport.index_pack(), stdin=wanted, timeout=timeout, poll=poll
        )
        if taken.returncode != 0 and sent.returncode in {0, -13} and _REFUSED.search(taken.stderr):
            message = f"git's checks refuse what the commits hold: {taken.stderr.strip()[-1000:]}"
            raise StepFailed(ErrorCode.OBJECTS_REFUSED, message)
        if sent.returncode != 0 and _TOO_LARGE.search(sent.stderr):
            message = f"the commits hold an object that unfolds to too much: {sent.stderr.strip()[-300:]}"
            raise StepFailed(ErrorCode.OBJECTS_REFUSED, message)
        must("pack-objects", sent)
        must("index-pack", taken)
        self.transport.keep("refs/sitewright/brought", commit)

    def give(self, commits: Iterable[str], have: Iterable[str], *, timeout: float, poll: Poll = None) -> None:
        """Gives commits of the transport, and what they need, to the checkout, which has `have` already."""
        self._give(("--revs", "--thin"), _lines(commits, self.transport.having(have)), timeout, poll)

    def give_all(self, *, timeout: float, poll: Poll = None) -> None:
        """Gives all objects of the transport to an empty checkout."""
        self._give(("--revs", "--all"), b"", timeout, poll)

    def _give(self, options: Sequence[str], wanted: bytes, timeout: float, poll: Poll) -> None:
        argv = ("pack-objects", "--stdout", "--delta-base-offset", "--quiet", *options)
        source = self.transport.command(*argv)
        sink = self.git.command(*_LIMITED_GIT, "index-pack", "--stdin", "--fix-thin")
        sent, taken = streams.pipe(source, sink, stdin=wanted, timeout=timeout, poll=poll)
        must("pack-objects", sent)
        must("index-pack", taken)

    def known(self, commits: Iterable[str]) -> set[str]:
        """Returns those of these commits that the checkout has."""
        return known_commits(lambda data: self.git.run("cat-file", "--batch-check", stdin=data).encode(), commits)

    def save_bundle(self, target: Path, *, timeout: float) -> None:
        """Writes all refs of the checkout into a file of the runner's. Raises OutputTooLarge.

        Refs that git cannot read are left out: the guest may write anything into .git/refs.
        """
        try:
            self._bundle(target, ("--all",), b"", timeout)
        except GitError:
            names = ["HEAD", *self.git.run("for-each-ref", "--format=%(refname)").splitlines()]
            asked = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
            answers = self.git.run("cat-file", "--batch-check", stdin=asked).splitlines()
            there = [name for name, answer in zip(names, answers, strict=True) if not answer.endswith("missing")]
            self._bundle(target, ("--stdin",), "\n".join(there).encode("utf-8", "surrogateescape"), timeout)

    def _bundle(self, target: Path, options: Sequence[str], stdin: bytes, timeout: float) -> None:
        with target.open("wb") as file:
            source = self.git.command("git", "bundle", "create", "--quiet", "-", *options)
            must("bundle", streams.copy_output(source, file, limit=BUNDLE_BYTES, stdin=stdin, timeout=timeout))

    def load_bundle(self, bundle: Path, *, timeout: float, poll: Poll = None) -> dict[str, str]:
        """Puts a bundle's objects and refs into the checkout. Returns its refs. Raises GitError for a damaged one."""
        refs = self.load_objects(bundle, timeout=timeout, poll=poll)
        self.set_refs(refs)
        return refs

    def load_objects(self, bundle: Path, *, timeout: float, poll: Poll = None) -> dict[str, str]:
        """Puts a bundle's objects into the checkout. Returns its refs. Raises GitError for a damaged one.

        The guest gets the file as its stdin, for reading only. It cannot open the file by its name.
        """
        with bundle.open("rb") as file:
            refs = _refs_of(file)
            # The file is buffered: its descriptor is further on than the header's end.
            os.lseek(file.fileno(), file.tell(), os.SEEK_SET)
            sink = self.git.command(*_LIMITED_GIT, "index-pack", "--stdin", "--check-self-contained-and-connected")
            taken = streams.run(sink, file=file, timeout=timeout, poll=poll)
        if taken.returncode != 0:
            # At its limit of memory git cannot pass however often it is repeated: not the machine's memory is short.
            said = "fatal: an object unfolds to too much" if _TOO_LARGE.search(taken.stderr) else taken.stderr
            raise GitError("index-pack", taken.returncode, said + "\nfatal: index-pack failed")
        return refs

    def set_refs(self, refs: Mapping[str, str]) -> None:
        """Sets refs of the checkout, but not `HEAD`."""
        lines = [f"update {name}\0{found}\0\0" for name, found in refs.items() if name.startswith("refs/")]
        if lines:
            self.git.run("update-ref", "--stdin", "-z", stdin="".join(lines).encode("utf-8", "surrogateescape"))


def _lines(wanted: Iterable[str], excluded: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in (*wanted, "--not", *sorted(excluded))).encode()


def _refs_of(file: IO[bytes]) -> dict[str, str]:
    """Reads a bundle's header (gitformat-bundle(5)), and leaves the file at its pack."""
    read, refs = 0, dict[str, str]()
    if not _BUNDLE.fullmatch(file.readline(64)):
        raise GitError("bundle", 1, "error: it does not look like a v2 or v3 bundle")
    while (line := file.readline(70_000)) not in {b"\n", b""}:
        read += len(line)
        if read > _HEADER_BYTES or not line.endswith(b"\n"):
            raise GitError("bundle", 1, "error: unrecognized header")
        if line.startswith(b"-"):
            raise GitError("bundle", 1, "error: the bundle lacks necessary commits")
        if not line.startswith(b"@"):
            found, _, name = line.rstrip(b"\n").partition(b" ")
            refs[name.decode("utf-8", "surrogateescape")] = found.decode("ascii", "replace")
    return refs
