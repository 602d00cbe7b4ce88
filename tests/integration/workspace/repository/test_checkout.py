"""The checkout: changed files, commits, snapshots during the agent's work, rebases."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspace.errors import GitError
from workspace.repository.checkout import WIP_REF, Checkout
from workspace.repository.newer_work.rebase import rebase

from tests.support.workspace.git_host import serve_git
from tests.support.workspace.runner_parts import git, make_checkout, make_remote


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    make_remote(tmp_path / "host")
    with serve_git(tmp_path / "host") as host:
        made = make_checkout(tmp_path / "ws", host.url)
        made.clone(timeout=30)
        made.start_branch()
        yield made


def test_start_branch_begins_at_the_default_branch(checkout: Checkout) -> None:
    assert checkout.default_branch == "main"
    assert checkout.current_branch() == "thread-t1"
    assert checkout.head() == git(checkout.site, "rev-parse", "origin/main")
    assert not checkout.is_dirty()


def test_a_checkout_without_git_is_no_part_of_the_repository_around_it(checkout: Checkout, tmp_path: Path) -> None:
    """The local stack's folders are inside the user's own clone of this project."""
    git(tmp_path, "init", "-q", "-b", "outer")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "The user's own work")
    before = git(tmp_path, "rev-parse", "HEAD")
    shutil.rmtree(checkout.site / ".git")
    for touches in (
        checkout.head,
        checkout.tree_snapshot,
        checkout.return_to_branch,
        lambda: checkout.commit_all("Edit"),
        lambda: checkout.changed_files(before),
    ):
        with pytest.raises(GitError):
            touches()
    assert (git(tmp_path, "rev-parse", "HEAD"), git(tmp_path, "branch", "--format=%(refname)")) == (
        before,
        "refs/heads/outer",
    )


def test_start_branch_takes_the_remote_branch_if_there_is_one(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.site / "new.html").write_text("x")
    commit = checkout.commit_all("Edit")
    assert commit is not None
    checkout.remote.push(commit, "thread-t1", timeout=30)
    second = make_checkout(tmp_path / "ws2", checkout.remote.url)
    second.clone(timeout=30)
    second.start_branch()
    assert second.head() == commit


def test_changed_files_are_committed_uncommitted_and_untracked_ones(checkout: Checkout) -> None:
    base = checkout.head()
    names = ["committed.html", "with space.html", "Grüße 🎉.md", 'quote".txt', "-dash.txt"]
    (checkout.site / names[0]).write_text("1")
    checkout.commit_all("One")
    for name in names[1:]:
        (checkout.site / name).write_text("2")
    (checkout.site / "index.html").unlink()
    (checkout.site / "node_modules").mkdir()
    (checkout.site / "node_modules" / "ignored.js").write_text("x")
    assert checkout.changed_files(base) == sorted([*names, "index.html"])
    assert git(checkout.site, "diff", "--cached", "--name-only") == "", "the agent's index was touched"


def test_commit_all_keeps_a_hostile_message_and_ignores_hooks(checkout: Checkout) -> None:
    hooks = checkout.site / ".husky"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\ntouch ran; exit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    git(checkout.site, "config", "core.hooksPath", ".husky")
    message = '-m $(touch /tmp/x) "quoted" 🎉\n\n# a heading\n\nSession-Id: s1'
    commit = checkout.commit_all(message)
    assert commit == checkout.head()
    assert git(checkout.site, "log", "-1", "--format=%B") == message
    assert git(checkout.site, "log", "-1", "--format=%an <%ae>").startswith("Sitewright <")
    assert not (checkout.site / "ran").exists()
    assert checkout.commit_all("Nothing") is None
    assert checkout.commit_all("Empty", allow_empty=True) is not None


def test_commit_all_survives_lock_files_of_a_killed_git(checkout: Checkout) -> None:
    (checkout.site / ".git" / "index.lock").write_text("")
    (checkout.site / ".git" / "refs" / "heads" / "thread-t1.lock").write_text("")
    (checkout.site / "a.html").write_text("a")
    assert checkout.commit_all("Edit") is not None


def test_commit_all_returns_to_the_branch_without_losing_commits(checkout: Checkout) -> None:
    (checkout.site / "ours.html").write_text("1")
    ours = checkout.commit_all("Ours")
    git(checkout.site, "checkout", "-q", "--detach", "origin/main")
    (checkout.site / "theirs.html").write_text("2")
    git(checkout.site, "add", "-A")
    git(checkout.site, "commit", "-qm", "The agent's, detached")
    theirs = checkout.head()
    (checkout.site / "uncommitted.html").write_text("3")
    commit = checkout.commit_all("WIP")
    assert checkout.current_branch() == "thread-t1"
    assert commit is not None and ours is not None
    assert checkout.is_ancestor(ours, commit)
    assert checkout.is_ancestor(theirs, commit)


def test_snapshot_contains_all_files_and_changes_none(checkout: Checkout) -> None:
    (checkout.site / "staged.html").write_text("staged")
    git(checkout.site, "add", "staged.html")
    (checkout.site / "untracked.html").write_text("untracked")
    (checkout.site / "about.html").unlink()
    before = git(checkout.site, "status", "--porcelain")
    index = (checkout.site / ".git" / "index").read_bytes()
    snapshot = checkout.tree_snapshot()
    assert snapshot == checkout.tree_snapshot(), "the same tree must give the same commit"
    assert checkout.resolve(WIP_REF) == snapshot
    assert git(checkout.site, "status", "--porcelain") == before
    assert (checkout.site / ".git" / "index").read_bytes() == index
    files = git(checkout.site, "ls-tree", "-r", "--name-only", snapshot).splitlines()
    assert files == [".gitignore", "index.html", "staged.html", "untracked.html"]


def test_snapshot_of_a_clean_tree_is_head(checkout: Checkout) -> None:
    (checkout.site / "a.html").write_text("a")
    checkout.tree_snapshot()
    checkout.commit_all("Edit")
    assert checkout.tree_snapshot() == checkout.head()
    assert checkout.resolve(WIP_REF) is None


def test_rebase_sets_leftovers_aside_and_puts_them_back(checkout: Checkout) -> None:
    (checkout.site / "new.html").write_text("ours")
    checkout.commit_all("Ours")
    git(checkout.site, "branch", "other", "origin/main")
    git(checkout.site, "worktree", "add", "-q", "../other", "other")
    (checkout.site.parent / "other" / "theirs.html").write_text("theirs")
    git(checkout.site.parent / "other", "add", "-A")
    git(checkout.site.parent / "other", "commit", "-qm", "Theirs")
    (checkout.site / "about.html").write_text("rewritten by the build")
    (checkout.site / "loose.html").write_text("untracked")
    assert rebase(checkout, "other")
    assert (checkout.site / "theirs.html").exists()
    assert (checkout.site / "about.html").read_text() == "rewritten by the build"
    assert (checkout.site / "loose.html").read_text() == "untracked"
    assert checkout.is_ancestor("other", "HEAD")
    assert git(checkout.site, "for-each-ref", "refs/sitewright/aside") == ""


def test_errors_carry_the_command(checkout: Checkout) -> None:
    with pytest.raises(GitError) as caught:
        checkout.run("rev-parse", "--verify", "no-such-ref")
    assert caught.value.command == "rev-parse"
    assert caught.value.returncode == 128
