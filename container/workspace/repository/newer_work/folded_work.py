"""Knows the commits in whose place others stand: a git host had refused them, so they were folded into a clean one.

The clean commit names them in trailers of its message. Their work is in it, although they are not below it.
"""

from sitewright.contracts.commit_trailers import REPLACES, replaces_trailers
from workspace.repository.guest_git import GuestGit
from workspace.repository.objects.transport import OBJECT_ID, known_commits

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
    """Returns the newest commit whose work both sides have, at least one of them in another commit; None without one.

    It serves as the merge base: what both sides made of its work since then is what differs. Raises GitError, TimeoutError.
    """
    replaced = [_replaced(git, base, tip) for tip in (ours, theirs)]
    if not any(replaced):
        return None
    has = [
        {*names, *git.run("rev-list", f"{base}..{tip}", timeout=SECONDS).split()}
        for names, tip in zip(replaced, (ours, theirs), strict=True)
    ]
    common = [name for names in replaced for name in names if name in has[0] and name in has[1]]
    # Of a commit that both sides have in another one, nobody needs to keep the object.
    there = known_commits(lambda asked: git.completed("cat-file", "--batch-check", stdin=asked).stdout, common)
    return next((name for name in common if name in there), None)


def _replaced(git: GuestGit, base: str, tip: str) -> list[str]:
    """Returns the commits in whose place those of a branch stand, the newest first."""
    argv = ("log", f"--format=%(trailers:key={REPLACES},valueonly)", f"{base}..{tip}")
    return [line for line in git.run(*argv, timeout=SECONDS).split() if OBJECT_ID.fullmatch(line)]
