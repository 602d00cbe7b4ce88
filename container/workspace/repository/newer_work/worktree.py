"""Brings a merge into the checkout: its result, or a conflict for the agent to resolve.

A conflict in the checkout has a ref, which checkpoints keep. So whoever finds the checkout later knows that its
uncommitted edits are an unfinished resolution and not the client's.
"""

from workspace.repository.checkout import MERGING_REF, Checkout
from workspace.repository.newer_work.merge import Conflict, commit_of
from workspace.repository.objects.transport import must

_MARKERS = "^(<{7,}|[|]{7,}|>{7,})( |$)"
"""The lines that git puts around two sides (git-merge(1), "How conflicts are presented"), but the one of equal signs:
it underlines headings in Markdown. They are longer where the repository says so (gitattributes(5),
`conflict-marker-size`)."""

_NAMED = 500
"""So many paths are named on a command line. With more all files are searched."""


def advance(checkout: Checkout, commit: str) -> str | None:
    """Moves the session's branch and the files on to a commit that contains HEAD. Uncommitted edits stay.

    Returns git's words if it refuses, because uncommitted edits are in the way; then nothing changed. Raises GitError.
    """
    checkout.unblock()
    checkout.clear_locks()
    checkout.return_to_branch()
    if checkout.head() == commit:
        return None
    done = checkout.git.completed("merge", "--quiet", "--ff-only", "--no-stat", commit)
    return None if done.returncode == 0 else done.stderr.strip() or "git refuses"


def begin(checkout: Checkout, conflict: Conflict) -> None:
    """Puts a conflict's files into the clean checkout, as uncommitted edits of HEAD. Raises GitError."""
    if conflict.tree is None:
        raise ValueError("commits without a common history have no files in common")
    merging = commit_of(checkout.git, conflict.tree, (checkout.head(), conflict.theirs), "A conflict")
    checkout.run("update-ref", MERGING_REF, merging)
    checkout.restore_tree(conflict.tree)


def finish(checkout: Checkout, conflict: Conflict, message: str) -> list[str]:
    """Commits the resolution. Returns the files that still have git's markers; then nothing was committed.

    Raises GitError.
    """
    checkout.unblock()
    checkout.clear_locks()
    tree, _ = checkout.staging.write_tree()
    if left := _marked(checkout, tree, conflict.paths):
        return left
    checkout.return_to_branch()
    commit = commit_of(checkout.git, tree, (checkout.head(), conflict.theirs), message)
    checkout.run("reset", "--quiet", "--mixed", commit)
    checkout.run("update-ref", "-d", MERGING_REF)
    return []


def _marked(checkout: Checkout, tree: str, paths: tuple[str, ...]) -> list[str]:
    if not paths:
        return []
    literal = [f":(top,literal){path}" for path in paths] if len(paths) <= _NAMED else []
    done = checkout.git.completed("grep", "--name-only", "-z", "-I", "-E", "-e", _MARKERS, tree, "--", *literal)
    if done.returncode not in {0, 1}:
        must("grep", done)
    found = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    return sorted({path.removeprefix(f"{tree}:") for path in found} & set(paths))
