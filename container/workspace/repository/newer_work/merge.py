"""Merges two commits in the object database. The checkout's files and refs do not change.

So an interruption leaves nothing half done, and a conflict leaves the branch where it was.
"""

from dataclasses import dataclass

from workspace.errors import GitError
from workspace.repository.guest_git import GuestGit
from workspace.repository.newer_work.folded_work import common_work
from workspace.repository.newer_work.squashed_work import taken_over
from workspace.repository.objects.transport import OBJECT_ID

SECONDS = 60.0
"""The limit of one merge. A tree of 20,000 files takes a second."""


@dataclass(frozen=True)
class Merged:
    """The commit that has both sides. It is one of the two if that has the other already."""

    commit: str


@dataclass(frozen=True)
class Conflict:
    """Two commits that contradict each other."""

    theirs: str
    tree: str | None
    """All files, with git's conflict markers in those that contradict; None: the commits have no common history."""
    paths: tuple[str, ...] = ()
    said: str = ""
    """git's words on each path."""


def merge(git: GuestGit, ours: str, theirs: str, message: str, *, replaced: str | None = None) -> Merged | Conflict:
    """Merges `theirs` into `ours`. Work that one side has of the other in other commits is not merged again.

    `replaced`: the older commit of `ours` in whose place a person has put `theirs`. Raises GitError, TimeoutError.
    """
    base = _merge_base(git, ours, theirs)
    if base is None and replaced is None:
        return Conflict(theirs, None, said="They have no commit in common.")
    if base in {ours, theirs}:
        return Merged(theirs if base == ours else ours)
    taken = replaced
    if taken is None and base is not None:
        taken = common_work(git, base, ours, theirs) or taken_over(git, base, ours, theirs)
    sides = (ours, theirs) if taken is None else (_on(git, ours, taken), _on(git, theirs, taken))
    # `--merge-base` needs git 2.40, and Debian 12 has 2.39.
    done = git.completed("merge-tree", "--write-tree", "-z", "--name-only", "--messages", *sides, timeout=SECONDS)
    if done.returncode not in {0, 1}:
        raise GitError("merge-tree", done.returncode, done.stderr)
    tree, *rest = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    if not OBJECT_ID.fullmatch(tree):
        raise GitError("merge-tree", done.returncode, f"it made no tree: {tree[:200]!r}")
    if done.returncode == 1:
        paths = rest[: rest.index("")] if "" in rest else rest
        return Conflict(theirs, tree, tuple(dict.fromkeys(paths)), _messages(rest[len(paths) + 1 :]))
    return Merged(commit_of(git, tree, (ours, theirs), message))


def commit_of(git: GuestGit, tree: str, parents: tuple[str, ...], message: str) -> str:
    """Makes a commit of a tree and returns it. Raises GitError, TimeoutError."""
    argv = [part for parent in parents for part in ("-p", parent)]
    commit = git.run("commit-tree", tree, *argv, stdin=message.encode("utf-8", "replace")).strip()
    if not OBJECT_ID.fullmatch(commit):
        raise GitError("commit-tree", 1, f"it made no commit: {commit[:200]!r}")
    return commit


def _merge_base(git: GuestGit, ours: str, theirs: str) -> str | None:
    done = git.completed("merge-base", ours, theirs)
    if done.returncode not in {0, 1}:
        raise GitError("merge-base", done.returncode, done.stderr)
    return done.stdout.decode("ascii", "replace").strip() or None


def _on(git: GuestGit, commit: str, base: str) -> str:
    """Returns a commit of the same tree on top of `base`, which then is the merge base."""
    return commit_of(git, f"{commit}^{{tree}}", (base,), "For a merge")


def _messages(parts: list[str]) -> str:
    """Returns git's messages about conflicts (git-merge-tree(1), "Informational messages"), a line each."""
    said, at = [], 0
    while at < len(parts) and parts[at].isdecimal():
        at += 1 + int(parts[at])
        kind, message = (*parts[at : at + 2], "", "")[:2]
        if kind.startswith("CONFLICT"):
            said.append(message.strip())
        at += 2
    return "\n".join(said)
