"""The question for the host's branches, and its answers (gitprotocol-v2(5), `ls-refs`)."""

import pytest
from workspace.repository.newer_work.host_tips import HostTips, NoTips, answered, question

A, B = "a" * 40, "b" * 40


def lines(*texts: str) -> bytes:
    return b"".join(f"{len(text) + 5:04x}{text}\n".encode() for text in texts) + b"0000"


def test_the_question_is_one_command_with_the_names() -> None:
    assert question(["thread-t1"]) == (
        b"0014command=ls-refs\n0001000csymrefs\n0014ref-prefix HEAD\n0024ref-prefix refs/heads/thread-t1\n0000"
    )


def test_the_default_branch_and_the_named_one_are_found_and_a_longer_name_is_not() -> None:
    body = lines(f"{A} HEAD symref-target:refs/heads/main", f"{B} refs/heads/thread-t1", f"{A} refs/heads/thread-t10")
    assert answered(body, ["thread-t1"]) == HostTips("main", {"main": A, "thread-t1": B})


def test_a_branch_that_is_gone_is_not_there() -> None:
    assert answered(lines(f"{A} HEAD symref-target:refs/heads/trunk"), ["thread-t1"]) == HostTips("trunk", {"trunk": A})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in</html>",
        lines(f"{A} HEAD"),
        lines("ERR access denied"),
        lines(f"{A} HEAD symref-target:refs/heads/main")[:-6],
        b"0003",
        b"zzzz",
        lines("unborn HEAD symref-target:refs/heads/main"),
    ],
)
def test_any_other_answer_is_none(body: bytes) -> None:
    with pytest.raises(NoTips):
        answered(body, ["thread-t1"])
