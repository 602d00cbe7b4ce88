"""Folding commits that no host has, with real git: parents, files, and merges with those who have the older commits."""

from pathlib import Path

import pytest
from workspace.repository.checkout import ON_HOST_REF, Checkout
from workspace.repository.host_rules import unsent_commits
from workspace.repository.host_rules.signed_commits import sign_unsent
from workspace.repository.host_rules.unsent_content import look
from workspace.repository.newer_work.folded_work import common_work, replaces
from workspace.repository.newer_work.merge import Merged, merge

from sitewright.contracts.error_codes import ErrorCode
from tests.support.workspace.runner_parts import git, make_checkout

SECRET = "ghp_" + "aB3dE6" * 6


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A clone whose host has the branch `main`, with the session's branch on it."""
    made = make_checkout(tmp_path / "ws", "http://127.0.0.1:1/none.git")
    made.begin()
    made.set_tracking("main", commit(made, "First", {"page.html": "Home\n"}))
    return made


def commit(checkout: Checkout, message: str, files: dict[str, str | None]) -> str:
    for name, text in files.items():
        path = checkout.site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True) if text is None else path.write_text(text)
    git(checkout.site, "add", "-A")
    git(checkout.site, "commit", "-qm", message)
    return git(checkout.site, "rev-parse", "HEAD")


def fold(checkout: Checkout) -> str:
    made = unsent_commits.fold(checkout, "s1", "cmd-1")
    assert made is not None
    return made


def test_a_fold_has_the_same_files_and_none_of_the_history(checkout: Checkout) -> None:
    first = commit(checkout, "Add a key", {"key.txt": SECRET, "menu.html": "Menu\n"})
    second = commit(checkout, "Take the key out", {"key.txt": None})
    (checkout.site / "page.html").write_text("not committed\n")
    folded = fold(checkout)
    assert checkout.head() == folded == checkout.resolve("thread-t1")
    assert git(checkout.site, "rev-parse", f"{folded}^") == checkout.resolve("origin/main")
    assert git(checkout.site, "diff", "--name-only", second, folded) == ""
    assert SECRET not in git(checkout.site, "log", "--patch", "HEAD")
    assert git(checkout.site, "status", "--porcelain") == "M page.html", "uncommitted edits stay"
    for replaced in (first, second):
        assert replaces(checkout.git, replaced)
    assert not replaces(checkout.git, folded) and checkout.resolve(unsent_commits.REPLACED_REF) == second
    assert unsent_commits.fold(checkout, "s1", "cmd-1") is None, "one commit is clean already"
    unsent_commits.unfold(checkout, folded)
    assert checkout.head() == second and checkout.resolve(unsent_commits.REPLACED_REF) is None


def test_a_fold_stands_on_all_that_the_host_has_of_it(checkout: Checkout) -> None:
    main = checkout.resolve("origin/main")
    sent = commit(checkout, "Sent", {"sent.html": "x"})
    checkout.set_tracking("thread-t1", sent)
    git(checkout.site, "checkout", "-q", "-b", "other", str(main))
    theirs = commit(checkout, "Theirs", {"theirs.html": "x"})
    checkout.set_tracking("main", theirs)
    git(checkout.site, "checkout", "-q", "thread-t1")
    commit(checkout, "Ours", {"ours.html": "x"})
    git(checkout.site, "merge", "-q", "-m", "Take in", theirs)
    folded = fold(checkout)
    assert set(git(checkout.site, "rev-parse", f"{folded}^1", f"{folded}^2").split()) == {sent, theirs}
    again = commit(checkout, "More", {"more.html": "x"})
    twice = fold(checkout)
    assert again in git(checkout.site, "log", "-1", "--format=%B", twice) and replaces(checkout.git, folded)


def test_what_a_fold_took_out_is_not_brought_back_by_who_has_the_older_commits(checkout: Checkout) -> None:
    poisoned = commit(checkout, "Add", {"key.txt": SECRET, "menu.html": "Menu\n"})
    git(checkout.site, "checkout", "-q", "-b", "other")
    other = commit(checkout, "Another session's", {"other.html": "x", "menu.html": "Menu of the other\n"})
    git(checkout.site, "checkout", "-q", "thread-t1")
    commit(checkout, "Take it out", {"key.txt": None, "page.html": "House\n"})
    folded = fold(checkout)
    base = git(checkout.site, "merge-base", folded, other)
    assert common_work(checkout.git, base, folded, other) == poisoned == common_work(checkout.git, base, other, folded)
    for ours, theirs in ((other, folded), (folded, other)):
        made = merge(checkout.git, ours, theirs, "Take in")
        assert isinstance(made, Merged)
        names = git(checkout.site, "ls-tree", "--name-only", made.commit).split()
        assert names == ["menu.html", "other.html", "page.html"]
        assert git(checkout.site, "show", f"{made.commit}:menu.html") == "Menu of the other"
        assert git(checkout.site, "show", f"{made.commit}:page.html") == "House"


def test_two_folds_of_the_same_work_do_not_contradict_each_other(checkout: Checkout) -> None:
    commit(checkout, "Add", {"key.txt": SECRET, "page.html": "One\n"})
    both = commit(checkout, "Take it out", {"key.txt": None})
    ours = fold(checkout)
    git(checkout.site, "checkout", "-q", "-B", "thread-t1", both)
    commit(checkout, "More", {"page.html": "Two\n"})
    theirs = fold(checkout)
    assert common_work(checkout.git, str(checkout.resolve("origin/main")), ours, theirs) == both
    made = merge(checkout.git, ours, theirs, "Take in")
    assert isinstance(made, Merged) and git(checkout.site, "show", f"{made.commit}:page.html") == "Two"


def test_a_look_tells_what_the_files_have_from_what_only_the_history_has(checkout: Checkout) -> None:
    assert look(checkout, github=True) == []
    commit(checkout, "Add", {"a file.txt": f"key={SECRET}", ".github/workflows/a.yml": "on: push"})
    found = look(checkout, github=True)
    assert [(one.code, one.path, one.present) for one in found] == [
        (ErrorCode.PUSH_SECRET, "a file.txt", True),
        (ErrorCode.PUSH_WORKFLOW, ".github/workflows/a.yml", True),
    ]
    assert [one.code for one in look(checkout, github=False)] == [ErrorCode.PUSH_SECRET]
    commit(checkout, "Take it out", {"a file.txt": "key=…"})
    assert [one.present for one in look(checkout, github=True)] == [False, True]
    checkout.set_tracking("thread-t1", checkout.head())
    assert look(checkout, github=True) == [], "the host has it"


def test_what_another_session_sent_and_this_one_took_in_by_its_id_is_sent(checkout: Checkout) -> None:
    """No known branch of the host has it. Signed or folded it would be another commit, and the live one would be missing."""
    live = commit(checkout, "Another session's", {".github/workflows/a.yml": "on: push", "live.html": "x"})
    checkout.run("update-ref", ON_HOST_REF, live)
    commit(checkout, "One", {"one.html": "x"})
    commit(checkout, "Two", {"two.html": "x"})
    assert look(checkout, github=True) == []
    sign_unsent(checkout, lambda _: "-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----")
    assert checkout.is_ancestor(live, "HEAD")
    assert git(checkout.site, "rev-parse", f"{fold(checkout)}^") == live
