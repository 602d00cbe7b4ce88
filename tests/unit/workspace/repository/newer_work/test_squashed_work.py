"""Up to which commit a branch's work is on another branch in other commits."""

import pytest
from workspace.repository.newer_work.squashed_work import OwnCommit, newest_taken

THREE, TWO, ONE = OwnCommit("3", "w3", "p3"), OwnCommit("2", "w2", "p2"), OwnCommit("1", "w1", "p1")
OWN = [THREE, TWO, ONE]


@pytest.mark.parametrize(
    ("others", "taken"),
    [
        (set(), None),
        ({"other"}, None),
        ({"w3"}, "3"),
        ({"w2"}, "2"),
        ({"p1", "p2"}, "2"),
        ({"p1", "p2", "p3"}, "3"),
        ({"p2", "p3"}, None),
        ({"w1", "w3"}, "3"),
    ],
)
def test_squashed_as_a_whole_or_one_by_one_from_the_beginning(others: set[str], taken: str | None) -> None:
    assert newest_taken(OWN, others) == taken


def test_a_commit_without_a_change_is_no_evidence() -> None:
    assert newest_taken([OwnCommit("1", None, None)], {"w"}) is None
    assert newest_taken([OwnCommit("2", "w1", None), ONE], {"p1"}) == "2"
