"""The paths that commits changed, sorted. All functions raise GitError if git fails."""

from workspace.repository.guest_git import GuestGit
from workspace.repository.objects.transport import must

_NAMES = ("--name-only", "-z", "--no-renames", "--no-ext-diff")


def between(git: GuestGit, base: str, commit: str) -> list[str]:
    """Returns the paths that differ between two commits."""
    return parsed(must("diff", git.completed("diff", *_NAMES, base, commit)).stdout)


def own(git: GuestGit, base: str, commit: str) -> list[str]:
    """Returns the paths that the session's own commits after `base` changed, without what merges brought in."""
    commits = ("--first-parent", "--no-merges", f"{base}..{commit}")
    return parsed(must("log", git.completed("log", "--format=", *_NAMES, *commits)).stdout)


def parsed(listed: bytes) -> list[str]:
    """Returns the paths in an output of git's with `-z`. Pure."""
    return sorted({path.decode("utf-8", "replace") for path in listed.split(b"\0") if path})
