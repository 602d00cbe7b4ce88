"""The step `agent` with a model API that refuses, is overloaded, is missing or answers garbage."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from workspace.agent.driver_messages import DriverEvent
from workspace.agent.final_event import failure as failure_of
from workspace.errors import StepFailed
from workspace.repository.checkpoints.transcript_files import newest_conversation
from workspace.steps import agent_step

from sitewright.contracts.error_codes import ErrorCode
from tests.support.workspace.agent_world import failed, make_world, with_session, world
from tests.support.workspace.fake_model import Reply, failure, fake_model, garbage, text


@pytest.fixture
def few_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(agent_step._QUIET, "CLAUDE_CODE_MAX_RETRIES", "2")


def test_a_refused_key_is_model_rejected_at_once(tmp_path: Path) -> None:
    with world(tmp_path, lambda *_: failure(401, "authentication_error", "invalid x-api-key")) as (w, model):
        with pytest.raises(StepFailed) as caught:
            agent_step.run(w.ctx)
        assert caught.value.error.code is ErrorCode.MODEL_REJECTED
        assert "does not accept the model key (401): invalid x-api-key." in caught.value.error.message
        assert len(model.requests) == 1


@pytest.mark.usefixtures("few_retries")
def test_an_overloaded_model_is_tried_again_and_then_unavailable(tmp_path: Path) -> None:
    with world(tmp_path, lambda *_: failure(529, "overloaded_error", "Not now")) as (w, model):
        assert failed(w) is ErrorCode.MODEL_UNAVAILABLE
        assert len(model.requests) == 3
        assert any("(529)" in line and "(2 of 2)" in line for line in w.progress)


@pytest.mark.usefixtures("few_retries")
def test_a_model_that_stumbles_is_tried_again(tmp_path: Path) -> None:
    stumbles = [failure(429, "rate_limit_error", "Not now"), failure(500, "api_error", "Not now")]
    with world(tmp_path, lambda _, number: stumbles[number] if number < 2 else text("Here I am.")) as (w, model):
        assert agent_step.run(w.ctx).summary == "Here I am."
        assert all(any(f"({status})" in line for line in w.progress) for status in (429, 500))


def test_retries_end_within_a_minute() -> None:
    # Claude Code waits 0.5 s, doubled each time, plus up to a quarter at random.
    waits = [0.5 * 2**n * 1.25 for n in range(agent_step.MAX_RETRIES)]
    assert 20 < sum(waits) < 60
    assert agent_step._QUIET["CLAUDE_CODE_MAX_RETRIES"] == str(agent_step.MAX_RETRIES)


@pytest.mark.usefixtures("few_retries")
def test_a_missing_server_is_unavailable(tmp_path: Path) -> None:
    with fake_model(lambda *_: text("never")) as gone:
        url = gone.url
    assert failed(make_world(tmp_path, None, url=url)) is ErrorCode.MODEL_UNAVAILABLE


@pytest.mark.parametrize("reply", [garbage(b'{"type": "mess'), Reply(blocks=[])])
@pytest.mark.usefixtures("few_retries")
def test_a_garbage_answer_is_a_failed_agent(tmp_path: Path, reply: Reply) -> None:
    with world(tmp_path, lambda *_: reply) as (w, _):
        assert failed(w) is ErrorCode.AGENT_FAILED


def test_a_conversation_that_the_model_refuses_starts_anew_and_is_not_lost_if_that_fails_too(tmp_path: Path) -> None:
    refuse = {"old": False, "all": False}

    def script(body: dict[str, Any], _: int) -> Reply:
        if refuse["all"] or (refuse["old"] and "secret word" in str(body["messages"])):
            return failure(400, "invalid_request_error", "tool_use without tool_result")
        return text("All right.")

    with world(tmp_path, script) as (w, model):
        command = w.ctx.command.model_copy(update={"instruction": "The secret word is plum"})
        first = agent_step.run(replace(w.ctx, command=command))
        refuse["all"] = True
        with pytest.raises(StepFailed) as caught:
            agent_step.run(with_session(w.ctx, first))
        assert caught.value.error.code is ErrorCode.MODEL_REJECTED
        assert newest_conversation(w.ctx.paths.home) == first.conversation_id
        refuse.update(all=False, old=True)
        again = agent_step.run(with_session(w.ctx, first))
        assert again.summary == "All right." + agent_step.BEGUN_ANEW and again.conversation_id != first.conversation_id
        assert any("cannot be resumed" in line for line in w.progress)
        system = str(model.requests[-1]["system"])
        assert "earlier conversation" in system and "Client: The secret word is plum" in system


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (DriverEvent(sitewright_agent="error", text="exploded"), ErrorCode.AGENT_FAILED),
        (
            DriverEvent(sitewright_agent="result", subtype="error_during_execution", is_error=True),
            ErrorCode.AGENT_FAILED,
        ),
        *[
            (DriverEvent(sitewright_agent="result", subtype="success", is_error=True, api_status=status), code)
            for statuses, code in (
                ((400, 401, 403, 404), ErrorCode.MODEL_REJECTED),
                ((429, 500, 529), ErrorCode.MODEL_UNAVAILABLE),
            )
            for status in statuses
        ],
    ],
)
def test_final_events_have_a_meaning(event: DriverEvent, code: ErrorCode) -> None:
    error = failure_of(event)
    assert error is not None and error.error.code is code
