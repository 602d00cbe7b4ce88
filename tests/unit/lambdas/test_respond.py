"""respond against moto's SQS FIFO and tables in memory: every end of a command, and every event that reports it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lambdas.respond.outcome import Outcome
from lambdas.respond.responder import SAVE_SECONDS
from lambdas.respond.sweep import JUST_ENDED_MS, SweepError
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.events import CommandNotStarted
from sitewright.contracts.messages import ResponseStatus
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import Interruption, StepName
from sitewright.tables.commands import Commands
from tests.support.lambdas.platform_tables import NOW, conflicting
from tests.support.lambdas.respond_world import (
    PARTS,
    Crash,
    World,
    arn,
    world_fixture,  # noqa: F401 - a fixture
)


def crash(*_: Any, **__: Any) -> None:
    raise Crash


def test_a_run_that_succeeded_is_answered_and_marked(world: World) -> None:
    world.put(**PARTS)
    world.run_ended("SUCCEEDED")
    response = world.the_response()
    assert (response["status"], response["success"], response["error"]) == ("succeeded", True, None)
    assert (response["commit"], response["pushed"], response["timestamp"]) == ("abc", True, NOW)
    record = world.record()
    assert "open" not in record
    assert record["answeredAt"] == NOW


def test_a_failed_run_reports_the_steps_error(world: World) -> None:
    world.put()
    world.run_ended("FAILED", "Step.Failed", ErrorInfo.of(ErrorCode.GIT_AUTH_FAILED, "no").to_json())
    response = world.the_response()
    assert (response["status"], response["error"]["code"]) == ("failed", "git_auth_failed")


def test_an_unfinished_check_is_reported(world: World) -> None:
    world.put(**{**PARTS, "sync": None})
    world.run_ended("SUCCEEDED")
    response = world.the_response()
    assert (response["status"], response["error"]["code"]) == ("succeeded", "sync_check_failed")


def test_the_response_of_a_superseded_run_waits_for_its_workspace(world: World) -> None:
    world.put(superseded_by="c2")
    world.session(generation=2, workspace_id="task", alive_until=NOW + 60_000, claim_generation=1)
    saved = Interruption(step=StepName.AGENT, commit="wip", pushed=True, files_changed=["a"])
    world.run_ended("ABORTED", "Superseded", "x")
    assert not world.look() and world.responses() == []
    world.put(superseded_by="c2", interruption=saved)
    assert world.look()
    response = world.the_response()
    assert (response["status"], response["supersededBy"]) == ("interrupted", "c2")
    assert (response["commit"], response["pushed"]) == ("wip", True)
    assert world.sessions.read("amelia#s")["generation"] == 2


def test_the_wait_for_a_workspace_is_bounded(world: World) -> None:
    world.put(superseded_by="c2")
    world.session(generation=2, workspace_id="task", alive_until=NOW + 600_000, claim_generation=1)
    world.run_ended("ABORTED")
    world.time = NOW + SAVE_SECONDS * 1000 - 1
    assert not world.look() and world.responses() == []
    world.time += 1
    assert world.look()
    assert world.the_response()["commit"] is None


def test_a_wait_ends_with_the_workspace_that_it_waits_for(world: World) -> None:
    world.put(superseded_by="c2")
    world.session(generation=2, workspace_id="task", alive_until=NOW + 5_000, claim_generation=1)
    world.run_ended("ABORTED")
    assert not world.look()
    world.time = NOW + 5_000
    assert world.look(), "it died"
    assert world.the_response()["status"] == "interrupted"


def test_an_answer_after_a_wait_is_sent_once(world: World) -> None:
    world.put(superseded_by="c2")
    world.session(generation=2, workspace_id="task", alive_until=NOW + 60_000, claim_generation=1)
    for _ in range(2):
        world.run_ended("ABORTED")
    world.put(superseded_by="c2", interruption=Interruption(step=StepName.AGENT, commit="wip", pushed=True))
    assert world.look() and world.look()
    world.run_ended("ABORTED")
    assert world.the_response()["commit"] == "wip"


def test_a_run_whose_work_is_saved_waits_for_nothing(world: World) -> None:
    world.put(superseded_by="c2", interruption=Interruption(step=StepName.AGENT, commit="wip", pushed=True))
    world.session(generation=2, workspace_id="task", alive_until=NOW + 60_000, claim_generation=1)
    world.run_ended("ABORTED")
    assert world.waits == []
    assert world.the_response()["commit"] == "wip"


def test_the_response_does_not_wait_for_the_claim_of_a_newer_command(world: World) -> None:
    world.put(superseded_by="c2")
    world.session(generation=2, workspace_id="task", alive_until=NOW + 600_000, claim_generation=2)
    world.run_ended("ABORTED")
    assert world.time == NOW


@pytest.mark.parametrize(
    ("status", "told", "code"), [("TIMED_OUT", "timed_out", "run_timed_out"), ("ABORTED", "interrupted", "run_stopped")]
)
def test_a_run_ended_from_outside_raises_the_generation(world: World, status: str, told: str, code: str) -> None:
    world.put()
    world.session()
    world.run_ended(status)
    world.run_ended(status)
    response = world.the_response()
    assert (response["status"], response["error"]["code"]) == (told, code)
    assert world.sessions.read("amelia#s")["generation"] == 2


def test_the_fence_is_raised_although_a_transaction_is_in_flight(world: World) -> None:
    world.put()
    world.session()
    world.dynamodb.interfere = conflicting(2)
    world.run_ended("TIMED_OUT")
    assert world.sessions.read("amelia#s")["generation"] == 2


def test_an_event_that_comes_twice_is_one_answer(world: World) -> None:
    world.put(**PARTS)
    world.run_ended("SUCCEEDED")
    world.time += 1000
    world.run_ended("SUCCEEDED")
    assert len(world.sent) == 1
    world.the_response()


def test_two_events_at_the_same_time_send_the_same_response(world: World) -> None:
    stale = world.put(**PARTS)
    world.run_ended("SUCCEEDED")
    world.commands.change("amelia#s", "c1", remove=("answeredAt",))
    world.time += 1000
    # The second event's responder had read the record before the first one wrote to it.
    world.responder.answer(stale, Outcome(ResponseStatus.FAILED))
    assert len(world.sent) == 2
    assert world.sent[0] == world.sent[1]
    assert world.the_response()["status"] == "succeeded"
    world.responder.answer(stale, Outcome(ResponseStatus.FAILED))
    assert len(world.sent) == 2


@pytest.mark.parametrize("repeat", ["event", "sweep"])
def test_a_crash_between_sending_and_marking_repeats_the_same_response(
    world: World, repeat: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(**PARTS)
    with monkeypatch.context() as patch:
        patch.setattr(Commands, "mark_answered", crash)
        with pytest.raises(Crash):
            world.run_ended("SUCCEEDED")
    # A later change of the record must not change the response.
    world.commands.change("amelia#s", "c1", supersededBy="c2", remove=("push",))
    world.time += 100_000
    if repeat == "event":
        world.run_ended("FAILED", "Some.Error", "another event")
    else:
        assert world.sweep() == 1
    assert len(world.sent) == 2
    assert world.sent[0] == world.sent[1]
    assert world.the_response()["timestamp"] == NOW
    assert "open" not in world.record()


def test_a_crash_before_sending_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put(**PARTS)
    with monkeypatch.context() as patch:
        patch.setattr(world, "send_message", crash)
        with pytest.raises(Crash):
            world.run_ended("SUCCEEDED")
    world.run_ended("SUCCEEDED")
    assert world.the_response()["status"] == "succeeded"


def test_a_response_is_the_same_after_it_was_kept(world: World) -> None:
    parts = {**PARTS, "agent": PARTS["agent"].model_copy(update={"cost_usd": 1e-07, "summary": "ü🥐\t"})}
    world.put(**parts)
    world.run_ended("SUCCEEDED")
    kept = CommandRecord.from_item(world.record()).response
    assert kept is not None
    assert kept.to_json() == world.sent[0][1]


def test_an_unknown_command_is_no_failure(world: World) -> None:
    world.run_ended("SUCCEEDED", name="nobody")
    world.responder.not_started(
        CommandNotStarted(client_id="amelia", session_id="s", command_id="nobody", status=ResponseStatus.INTERRUPTED)
    )
    assert world.sent == []
    assert len(world.logged) == 2


def test_the_sweep_answers_commands_whose_event_was_lost(world: World) -> None:
    world.put("done", **PARTS)
    world.ended("done", "SUCCEEDED")
    world.put("running")
    world.runs[arn("running")] = {"status": "RUNNING"}
    world.put("young", accepted_at=NOW - 1000)
    world.put("superseded", superseded_by="done")
    world.put("waiting")
    world.put("lost", accepted_at=NOW - 3_600_000)
    world.put("refused", rejection=ErrorInfo.of(ErrorCode.UNKNOWN_CLIENT, "no"), execution_arn=None, generation=0)
    world.put("just", **PARTS)
    world.ended("just", "ABORTED", stopDate=datetime.fromtimestamp((NOW - JUST_ENDED_MS + 1000) / 1000, UTC))
    assert world.sweep() == 4
    told = {r["commandId"]: r["status"] for r in world.responses()}
    assert told == {"done": "succeeded", "superseded": "interrupted", "lost": "failed", "refused": "rejected"}
    world.time += 60_000
    assert world.sweep() == 1


def test_one_broken_record_does_not_keep_the_others_from_their_answer(world: World) -> None:
    world.put("a", **PARTS)
    world.ended("a", "SUCCEEDED")
    world.put("b")
    world.commands.change("amelia#s", "b", build="junk")
    world.put("c", **PARTS)
    world.ended("c", "SUCCEEDED")
    with pytest.raises(SweepError, match="amelia/s/b"):
        world.sweep()
    assert {r["commandId"] for r in world.responses()} == {"a", "c"}
