"""What a command takes over from the commands before it, and the prompt for all of them."""

import re

import pytest
from workspace.agent.prompt.unfinished_wishes import (
    CARRIED_FOR_MS,
    LOOKED_BACK,
    Carried,
    carried,
    messages_in,
    prompt,
    unfinished,
)

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.messages import MAX_INSTRUCTION_BYTES, Response, ResponseStatus
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import AgentResult, Interruption, PrepareResult, StepName

EDITED = AgentResult(summary="Done.", files_changed=["a"], files_changed_count=1)


def command(command_id: str, supersedes: str | None = None, **parts: object) -> CommandRecord:
    base = {"session_id": "s", "command_id": command_id, "accepted_at": 1_000, "supersedes": supersedes}
    return CommandRecord.model_validate({**base, "instruction": f"wish of {command_id}", **parts})


def answer(status: ResponseStatus, code: ErrorCode | None = None, by: str | None = None) -> Response:
    error = ErrorInfo.of(code, "so it is") if code else None
    done = status is ResponseStatus.SUCCEEDED
    return Response(
        session_id="s", command_id="c", timestamp=1, success=done, status=status, error=error, superseded_by=by
    )


def interrupted(command_id: str, **parts: object) -> CommandRecord:
    """A command whose edit is not complete, answered as interrupted."""
    told = answer(ResponseStatus.INTERRUPTED, by="next")
    return command(command_id, superseded_by="next", response=told, **parts)


def failed(command_id: str, code: ErrorCode, status: ResponseStatus = ResponseStatus.FAILED) -> CommandRecord:
    return command(command_id, response=answer(status, code))


def covered(*earlier: CommandRecord, **parts: object) -> list[str]:
    """Returns the ids that a newest command covers. `earlier` has the oldest first."""
    chain = [*earlier, command("new", **parts)]
    linked = [
        one.model_copy(update={"supersedes": before.command_id if before else None})
        for before, one in zip([None, *chain[:-1]], chain, strict=True)
    ]
    known = {one.command_id: one for one in linked}
    return carried(linked[-1], unfinished(linked[-1], known.get)).covers


def test_an_interrupted_wish_is_taken_over() -> None:
    assert covered(interrupted("one")) == ["one"]


def test_three_in_a_row_are_all_done_by_the_last() -> None:
    assert covered(interrupted("one"), interrupted("two", covers=["one"])) == ["one", "two"]


def test_a_superseded_command_that_never_started_and_has_no_answer_yet_is_taken_over() -> None:
    assert covered(command("one", superseded_by="two")) == ["one"]


@pytest.mark.parametrize("step", [StepName.REPAIR, StepName.BUILD, StepName.PUSH])
def test_a_complete_edit_is_done_even_if_its_build_was_interrupted(step: StepName) -> None:
    saved = Interruption(step=step, commit="c", files_changed=["a"])
    assert covered(interrupted("one", agent=EDITED, interruption=saved)) == []


def test_what_a_complete_edit_covers_is_done_too() -> None:
    assert covered(interrupted("one"), interrupted("two", agent=EDITED, covers=["one"])) == []


def test_a_run_that_somebody_stopped_is_not_taken_over_nor_what_was_before_it() -> None:
    stopped = command("two", response=answer(ResponseStatus.INTERRUPTED, ErrorCode.RUN_STOPPED))
    assert covered(interrupted("one"), stopped) == []


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCode.AGENT_FAILED, ResponseStatus.FAILED),
        (ErrorCode.MODEL_REJECTED, ResponseStatus.FAILED),
        (ErrorCode.BUDGET_EXCEEDED, ResponseStatus.FAILED),
        (ErrorCode.AGENT_TIMED_OUT, ResponseStatus.TIMED_OUT),
        (ErrorCode.RUN_TIMED_OUT, ResponseStatus.TIMED_OUT),
    ],
)
def test_a_wish_that_may_have_caused_a_failure_is_carried_no_further(code: ErrorCode, status: ResponseStatus) -> None:
    assert covered(interrupted("one"), failed("two", code, status)) == []


@pytest.mark.parametrize("code", [ErrorCode.MODEL_UNAVAILABLE, ErrorCode.NO_CAPACITY, ErrorCode.WORKSPACE_CRASHED])
def test_a_failure_without_a_part_of_the_wishes_loses_none_that_was_carried(code: ErrorCode) -> None:
    assert covered(interrupted("one"), failed("two", code)) == ["one"], "the client knows that `two` failed"


def test_a_preparation_is_no_wish_and_hides_none() -> None:
    ready = answer(ResponseStatus.SUCCEEDED)
    preparation = command("two", prepare=True, instruction=None, prepared=PrepareResult(), response=ready)
    assert covered(interrupted("one"), failed("f", ErrorCode.NO_CAPACITY), preparation) == ["one"]
    assert covered(command("p", prepare=True, instruction=None, superseded_by="new")) == []


def test_a_wish_of_yesterday_is_left() -> None:
    assert covered(interrupted("one"), accepted_at=1_000 + CARRIED_FOR_MS) == ["one"]
    assert covered(interrupted("one"), accepted_at=1_001 + CARRIED_FOR_MS) == []


def test_an_endless_chain_is_not_followed_to_its_end() -> None:
    many = [interrupted(f"c{number}") for number in range(LOOKED_BACK + 5)]
    assert covered(*many) == [one.command_id for one in many[5:]]


def test_a_command_that_is_gone_ends_the_chain() -> None:
    assert unfinished(command("new", "gone"), lambda _: None) == []
    assert unfinished(command("new"), lambda _: None) == []


def test_a_repeated_wish_is_covered_and_not_said_twice() -> None:
    older = [interrupted("two", instruction="Blue, please "), interrupted("one", instruction="Other")]
    assert carried(command("new", instruction="Blue, please"), older) == Carried(["one", "two"], ["Other"])


def test_all_wishes_together_are_no_larger_than_one_may_be() -> None:
    half = MAX_INSTRUCTION_BYTES // 2
    new = command("new", instruction="ü" * (half // 2))
    older = [interrupted("three", instruction="x" * (half - 9)), interrupted("two", instruction="y" * 10)]
    found = carried(new, [*older, interrupted("one", instruction="z" * 9)])
    assert (found.covers, found.left_out) == (["one", "three"], ["two"]), "the newest counts most"
    assert [len(text) for text in found.wishes] == [9, half - 9]


def test_the_prompt_marks_each_message_and_says_which_one_counts() -> None:
    assert prompt("Only this", []) == "Only this"
    text = prompt("Make it blue", ["Make it red", "Add a page"])
    (mark,) = set(re.findall(r"-----[0-9a-f]{32}-----", text))
    assert text.split(f"{mark} ")[2:] == [
        "message 1 of 3\nMake it red\n\n",
        "message 2 of 3\nAdd a page\n\n",
        "message 3 of 3, the newest\nMake it blue",
    ]
    assert "the newer one counts" in text and "takes an older one back" in text
    assert messages_in(text) == "Make it red Add a page Make it blue"
    assert messages_in("Only this") == "Only this"
    assert mark not in prompt("Make it blue", ["Make it red"]), "a message could forge it"
