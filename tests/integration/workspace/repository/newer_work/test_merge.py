"""Merges in the object database, with real git: plain ones, conflicts, and work that the other side has in other commits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from workspace.repository import changed_paths
from workspace.repository.checkout import MERGING_REF, Checkout
from workspace.repository.newer_work import squashed_work, worktree
from workspace.repository.newer_work.merge import Conflict, Merged, merge

from tests.support.workspace.runner_parts import git, make_checkout

PAGE = "".join(f"line {number}\n" for number in range(1, 21))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A repository with the branch `main` and, on it, the session's branch."""
    made = make_checkout(tmp_path / "ws", "http://127.0.0.1:1/none.git")
    made.begin()
    commit(made, "First", {"page.html": PAGE, "about.html": "About\n"})
    git(made.site, "branch", "main")
    return made


def commit(checkout: Checkout, message: str, files: dict[str, str | None]) -> str:
    for name, text in files.items():
        path = checkout.site / name
        path.unlink(missing_ok=True) if text is None else path.write_text(text)
    git(checkout.site, "add", "-A")
    git(checkout.site, "commit", "-qm", message)
    return git(checkout.site, "rev-parse", "HEAD")


def on(checkout: Checkout, branch: str, *argv: str) -> None:
    git(checkout.site, "checkout", "-q", *argv, branch)


def edited(number: int, text: str, page: str = PAGE) -> str:
    return page.replace(f"line {number}\n", f"{text}\n")


def merged(checkout: Checkout, ours: str, theirs: str) -> dict[str, str]:
    """Merges, and returns the files of the result."""
    made = merge(checkout.git, ours, theirs, "Take in")
    assert isinstance(made, Merged), made
    names = git(checkout.site, "ls-tree", "-r", "--name-only", made.commit).split("\n")
    for side in (ours, theirs):
        assert checkout.is_ancestor(side, made.commit)
    return {name: git(checkout.site, "show", f"{made.commit}:{name}") + "\n" for name in names}


def test_edits_of_both_sides_are_in_the_merge_and_the_checkout_is_as_it_was(checkout: Checkout) -> None:
    ours = commit(checkout, "Ours", {"page.html": edited(2, "ours")})
    on(checkout, "main")
    theirs = commit(checkout, "Theirs", {"page.html": edited(19, "theirs"), "new.html": "New\n"})
    on(checkout, "thread-t1")
    (checkout.site / "untracked.txt").write_text("x")
    files = merged(checkout, ours, theirs)
    assert files == {"page.html": edited(19, "theirs", edited(2, "ours")), "about.html": "About\n", "new.html": "New\n"}
    assert checkout.head() == ours and git(checkout.site, "status", "--porcelain") == "?? untracked.txt"


def test_without_work_of_its_own_a_branch_moves_on_and_newer_is_not_merged_again(checkout: Checkout) -> None:
    older = checkout.head()
    newer = commit(checkout, "Newer", {"page.html": edited(2, "newer")})
    assert merge(checkout.git, older, newer, "x") == Merged(newer) == merge(checkout.git, newer, older, "x")


def squash(checkout: Checkout) -> None:
    git(checkout.site, "merge", "-q", "--squash", "thread-t1")
    git(checkout.site, "commit", "-qm", "The session's work (#1)")


def rebase(checkout: Checkout) -> None:
    git(checkout.site, "cherry-pick", "main..thread-t1")


@pytest.mark.parametrize("take_over", [squash, rebase])
@pytest.mark.parametrize("turned", [False, True])
def test_work_that_was_squashed_or_rebased_is_not_replayed_over_what_changed_since(
    checkout: Checkout, take_over: Callable[[Checkout], None], turned: bool
) -> None:
    commit(checkout, "One", {"page.html": edited(2, "session")})
    commit(checkout, "Two", {"page.html": edited(2, "session"), "extra.html": "Extra\n"})
    on(checkout, "main")
    commit(checkout, "Before", {"about.html": "About us\n"})
    take_over(checkout)
    theirs = commit(checkout, "After", {"page.html": edited(2, "corrected by hand"), "extra.html": None})
    on(checkout, "thread-t1")
    ours = commit(checkout, "Three", {"page.html": edited(12, "later", edited(2, "session"))})
    files = merged(checkout, theirs, ours) if turned else merged(checkout, ours, theirs)
    assert files == {"page.html": edited(12, "later", edited(2, "corrected by hand")), "about.html": "About us\n"}


def test_a_comparison_that_takes_too_long_is_left_out(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = commit(checkout, "Ours", {"page.html": edited(2, "ours")})
    on(checkout, "main")
    theirs = commit(checkout, "Theirs", {"about.html": "About us\n"})
    monkeypatch.setattr(squashed_work, "SECONDS", 0.0)
    assert merged(checkout, ours, theirs) == {"page.html": edited(2, "ours"), "about.html": "About us\n"}


def test_a_session_whose_whole_work_was_squashed_is_as_the_default_branch(checkout: Checkout) -> None:
    ours = commit(checkout, "One", {"page.html": edited(2, "session")})
    on(checkout, "main")
    squash(checkout)
    theirs = commit(checkout, "Undone by a person", {"page.html": PAGE})
    assert merged(checkout, ours, theirs) == {"page.html": PAGE, "about.html": "About\n"}


def test_what_a_merge_brought_in_is_no_change_of_the_sessions_own(checkout: Checkout) -> None:
    base = checkout.head()
    ours = commit(checkout, "Ours", {"page.html": edited(2, "ours")})
    on(checkout, "main")
    theirs = commit(checkout, "Theirs", {"new page.html": "New\n"})
    on(checkout, "thread-t1")
    made = merge(checkout.git, ours, theirs, "Take in")
    assert isinstance(made, Merged) and worktree.advance(checkout, made.commit) is None
    commit(checkout, "More", {"page.html": edited(3, "more"), "über.html": "x", "about.html": None})
    assert changed_paths.own(checkout.git, base, checkout.head()) == ["about.html", "page.html", "über.html"]
    assert changed_paths.own(checkout.git, checkout.head(), checkout.head()) == []


def test_a_conflict_names_its_files_and_changes_nothing(checkout: Checkout) -> None:
    ours = commit(checkout, "Ours", {"page.html": edited(2, "ours"), "about.html": None})
    on(checkout, "main")
    theirs = commit(checkout, "Theirs", {"page.html": edited(2, "theirs"), "about.html": "Changed\n"})
    on(checkout, "thread-t1")
    found = merge(checkout.git, ours, theirs, "x")
    assert isinstance(found, Conflict) and set(found.paths) == {"page.html", "about.html"} and found.theirs == theirs
    assert "CONFLICT (modify/delete)" in found.said and "Merge conflict in page.html" in found.said
    assert checkout.head() == ours and not checkout.is_dirty()


def conflict(checkout: Checkout) -> Conflict:
    commit(checkout, "Ours", {"page.html": edited(2, "ours")})
    on(checkout, "main")
    theirs = commit(checkout, "Theirs", {"page.html": edited(2, "theirs"), "new.html": "New\n"})
    on(checkout, "thread-t1")
    found = merge(checkout.git, checkout.head(), theirs, "x")
    assert isinstance(found, Conflict)
    return found


def test_a_resolved_conflict_is_a_merge_of_both(checkout: Checkout) -> None:
    found = conflict(checkout)
    worktree.begin(checkout, found)
    assert "<<<<<<<" in (checkout.site / "page.html").read_text()
    assert worktree.finish(checkout, found, "Take in") == ["page.html"]
    (checkout.site / "page.html").write_text(edited(2, "ours and theirs"))
    before = checkout.head()
    assert worktree.finish(checkout, found, "Take in") == []
    assert checkout.is_ancestor(before, checkout.head()) and checkout.is_ancestor(found.theirs, checkout.head())
    assert git(checkout.site, "show", "HEAD:page.html") + "\n" == edited(2, "ours and theirs")
    assert (checkout.site / "new.html").exists() and not checkout.is_dirty() and not checkout.abandon_merge()


@pytest.mark.parametrize("committed", [False, True])
def test_a_resolution_that_does_not_end_leaves_the_session_where_it_was(checkout: Checkout, committed: bool) -> None:
    found = conflict(checkout)
    before = checkout.head()
    worktree.begin(checkout, found)
    (checkout.site / "half.txt").write_text("half")
    if committed:
        git(checkout.site, "checkout", "-q", "-b", "other")
        commit(checkout, "The agent's own commit", {"half.html": "half"})
    assert checkout.commit_all("WIP: Interrupted") is None
    assert checkout.head() == before and checkout.current_branch() == "thread-t1"
    assert not checkout.is_dirty() and "<<<" not in (checkout.site / "page.html").read_text()


def test_longer_markers_are_markers(checkout: Checkout) -> None:
    """Repositories with documentation about git, or with `=======` below headings, have them."""
    commit(checkout, "Attributes", {".gitattributes": "*.html conflict-marker-size=32\n"})
    git(checkout.site, "branch", "-f", "main")
    found = conflict(checkout)
    worktree.begin(checkout, found)
    assert worktree.finish(checkout, found, "Take in") == ["page.html"]


def test_markers_are_found_in_very_many_files(checkout: Checkout) -> None:
    found = conflict(checkout)
    found = replace(found, paths=(*found.paths, *(f"folder/{'x' * 200}-{number}.html" for number in range(20_000))))
    worktree.begin(checkout, found)
    (checkout.site / "about.html").write_text("<<<<<<< no side of the conflict\n")
    assert worktree.finish(checkout, found, "Take in") == ["page.html"]


def test_a_resolution_is_known_after_the_agent_packed_the_refs(checkout: Checkout) -> None:
    found = conflict(checkout)
    before = checkout.head()
    worktree.begin(checkout, found)
    git(checkout.site, "pack-refs", "--all")
    assert checkout.commit_all("WIP: Interrupted") is None
    assert checkout.head() == before and not checkout.is_dirty() and not checkout.abandon_merge()


@pytest.mark.parametrize("content", ["", "no commit\n", None])
def test_a_file_of_the_agents_in_place_of_the_ref_costs_no_edit(checkout: Checkout, content: str | None) -> None:
    path = checkout.site / ".git" / MERGING_REF
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content) if content is not None else (path / "inner").mkdir(parents=True)
    (checkout.site / "page.html").write_text("An edit\n")
    assert not checkout.abandon_merge() and not path.exists()
    assert checkout.commit_all("Edit") is not None and git(checkout.site, "show", "HEAD:page.html") == "An edit"


def test_uncommitted_edits_stay_when_the_branch_moves_on_and_stop_it_where_they_are_in_the_way(
    checkout: Checkout,
) -> None:
    on(checkout, "main")
    theirs = commit(checkout, "Theirs", {"page.html": edited(19, "theirs")})
    on(checkout, "thread-t1")
    (checkout.site / "about.html").write_text("Uncommitted\n")
    assert worktree.advance(checkout, theirs) is None
    assert checkout.head() == theirs and (checkout.site / "about.html").read_text() == "Uncommitted\n"
    on(checkout, "main")
    newer = commit(checkout, "Newer", {"about.html": "Newer\n"})
    git(checkout.site, "checkout", "-q", "thread-t1")
    (checkout.site / "about.html").write_text("Uncommitted\n")
    assert "about.html" in (worktree.advance(checkout, newer) or "")
    assert checkout.head() == theirs and (checkout.site / "about.html").read_text() == "Uncommitted\n"


def test_commits_without_a_common_history_are_a_conflict_that_nobody_can_resolve(checkout: Checkout) -> None:
    ours = checkout.head()
    git(checkout.site, "checkout", "-q", "--orphan", "other")
    theirs = commit(checkout, "Rewritten", {"page.html": "x\n"})
    found = merge(checkout.git, ours, theirs, "x")
    assert isinstance(found, Conflict) and found.tree is None and "in common" in found.said
