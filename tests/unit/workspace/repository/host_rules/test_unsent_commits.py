"""The commit in place of commits that a host refused: what it says."""

from workspace.repository.host_rules.unsent_commits import COMMITS, Unsent, UnsentCommit, folded_message, parsed

LISTING = """>c3\tc2\t\tWIP: Interrupted by new message
>c2\tc1 m1\t\tTake in the default branch
>c1\tm0\tx1 x2\tAdd a menu
-m1\tm0\t\tSomebody else's
-m0\t\t\tFirst\twith a tab
"""


def test_a_listing_has_the_unsent_commits_and_what_they_stand_on() -> None:
    found = parsed(LISTING)
    assert [one.commit for one in found.commits] == ["c3", "c2", "c1"] and found.base == ("m1", "m0")
    assert found.commits[1].parents == ("c1", "m1") and found.commits[2].replaces == ("x1", "x2")
    assert found.may_fold


def test_one_commit_a_history_without_a_base_and_too_many_are_left_alone() -> None:
    one = UnsentCommit("c", ("m",), (), "Add a menu")
    assert not Unsent((one,), ("m",)).may_fold
    assert not Unsent((one, one), ()).may_fold
    assert not Unsent((one,) * (COMMITS + 1), ("m",)).may_fold
    assert not parsed("").may_fold


def test_the_message_has_the_edits_subject_and_names_what_it_replaces() -> None:
    message = folded_message(parsed(LISTING).commits, "s1", "cmd-1")
    assert message.startswith("Add a menu\n\nOne commit in place of 3,")
    assert "- Take in the default branch\n" in message
    trailers = message.rstrip().rpartition("\n\n")[2].splitlines()
    assert trailers == [
        *(f"Replaces: {name}" for name in ("c3", "c2", "c1", "x1", "x2")),
        "Session-Id: s1",
        "Command-Id: cmd-1",
    ]


def test_a_long_list_of_subjects_is_counted() -> None:
    commits = tuple(UnsentCommit(f"c{n}", ("m",), (), f"WIP: {n}") for n in range(50))
    message = folded_message(commits, "s1", "cmd-1")
    assert message.startswith("WIP: 0\n") and "- and 30 more\n" in message
