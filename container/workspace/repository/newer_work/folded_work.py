"""Knows the commits in whose place others stand: a git host had refused them, so they were folded into a clean one.

The clean commit names them in trailers of its message. Their work is in it, although they are not below it.
"""

from sitewright.contracts.commit_trailers import REPLACES, replaces_trailers
from workspace.repository.guest_git import GuestGit
from workspace.repository.objects.transport import OBJECT_ID

SECONDS = 30.0
"""The limit of one look. 100,000 commits take a second."""

SINCE = "180 days ago"
"""How far back a commit in place of others is looked for. A session ends 90 days after its last command."""


def replaces(git: GuestGit, commit: str) -> bool:
    """Returns whether HEAD has a commit that stands in place of this one. Raises TimeoutError."""
    if not OBJECT_ID.fullmatch(commit):
        return False
    grep = f"--grep={replaces_trailers([commit]).strip()}"
    argv = ("log", "--max-count=1", "--format=%H", "--fixed-strings", grep, f"--since={SINCE}", "HEAD")
    return bool(git.completed(*argv, timeout=SECONDS).stdout.strip())


def common_work(git: GuestGit, base: str, ours: str, theirs: str) -> str | None:
    """Returns the newest commit that one side has, and in whose place the other side has another; None without one.

    It serves as the merge base: what both sides made of its work since then is what differs. Raises GitError, TimeoutError.
    """
    for own, other in ((ours, theirs), (theirs, ours)):
        if replaced := _replaced(git, base, own):
            there = set(git.run("rev-list", f"{base}..{other}", timeout=SECONDS).split())
            found = next((commit for commit in replaced if commit in there), None)
            if found is not None:
                return found
    return None


def _replaced(git: GuestGit, base: str, tip: str) -> list[str]:
    """Returns the commits in whose place those of a branch stand, the newest first."""
    argv = ("log", f"--format=%(trailers:key={REPLACES},valueonly)", f"{base}..{tip}")
    return [line for line in git.run(*argv, timeout=SECONDS).split() if OBJECT_ID.fullmatch(line)]
