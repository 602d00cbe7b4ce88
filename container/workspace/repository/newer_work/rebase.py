"""Rebases a session's commits onto what somebody else pushed to its branch."""

from workspace.repository.checkout import Checkout


def rebase(checkout: Checkout, onto: str) -> bool:
    """Rebases the session's branch onto a commit. After a conflict it restores the branch and returns False.

    A build may have rewritten a tracked file. Uncommitted changes are set aside during the rebase. If they conflict
    with the new commits, they stay on a hidden ref, which checkpoints keep.
    """
    checkout.unblock()
    checkout.clear_locks()
    checkout.return_to_branch()
    git = checkout.git
    aside = checkout.tree_snapshot() if checkout.is_dirty() else None
    if aside:
        git.run("update-ref", f"refs/sitewright/aside/{aside[:12]}", aside)
        git.run("reset", "--quiet", "--hard")
        git.run("clean", "--quiet", "-fd")
    rebased = git.completed("rebase", "--quiet", onto).returncode == 0
    if not rebased:
        git.run("rebase", "--abort", check=False)
    if aside:
        if git.completed("cherry-pick", "--no-commit", aside).returncode == 0:
            git.run("update-ref", "-d", f"refs/sitewright/aside/{aside[:12]}")
            git.run("reset", "--quiet", "--mixed", "HEAD")
        else:
            git.run("reset", "--quiet", "--hard")
    return rebased
