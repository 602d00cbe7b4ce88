"""A run that finds no capacity for a workspace: it asks for room, waits, tries again, and ends with an error of its own."""

import json
from typing import Any

import pytest

from lambdas.respond.outcome import of_execution
from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.sfn_errors import SfnError
from sitewright.local.ecs.vcpu_limit import REASON
from stacks.site.room_states import CAPACITY_SHORT, WAIT_SECONDS
from stacks.site.workflow import definition
from tests.support.stacks.asl import Outcome, Run, StatesError, Walk, interpret
from tests.support.stacks.run_results import BROKEN, GOOD, INPUT, NETWORK, REFUSED, STEPS
from tests.support.stacks.workflow_parts import PARTS
from tests.unit.stacks.test_workflow import cold

FULL = StatesError("AmazonECS.Unknown", json.dumps({"Failures": [{"Reason": REASON}]}, ensure_ascii=False))


def waited(result: Run) -> int:
    """Returns the seconds that a run waited for room."""
    made = Walk(definition(PARTS), INPUT)
    made.variables = {"waited": 0, "roomFor": "", "noRoom": ""}
    for state in result.path:
        if state == "WaitForRoom":
            made.enter("WaitForRoom", None)
    return int(made.variables["waited"])


@pytest.mark.parametrize("error", CAPACITY_SHORT)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_without_capacity_asks_for_room_and_tries_again(step: str, error: str) -> None:
    script: dict[str, list[Outcome]] = {step: [StatesError(error, REASON)] * 2 + GOOD[step]}
    if step == "Repair":
        script["Build"] = [BROKEN, *GOOD["Build"]]
    if step == "Salvage":
        script["Build"] = [StatesError("Step.Failed", "first")]
    result = cold(**script)
    assert result.attempts("MakeRoom") == 2
    assert result.attempts(f"{step}InNewWorkspace") == 3
    assert result.status == ("FAILED" if step == "Salvage" else "SUCCEEDED")


def test_the_first_tries_come_soon_and_a_run_waits_longer_than_an_idle_workspace() -> None:
    assert waited(cold(Agent=[FULL, *GOOD["Agent"]])) == 5
    result = cold(Agent=[FULL])
    assert (result.status, result.error) == ("FAILED", SfnError.NO_CAPACITY)
    assert WAIT_SECONDS <= waited(result) < WAIT_SECONDS + 15
    assert waited(result) > 2 * 300, "`idleSeconds` is 300 by default"
    assert "Salvage" not in result.path, "there is no workspace for it either"


def test_the_response_says_what_to_do() -> None:
    result = cold(Agent=[FULL])
    error = of_execution("FAILED", result.error, result.cause, None).error
    assert error is not None and error.code is ErrorCode.NO_CAPACITY
    assert REASON in error.message and "Service Quotas" in error.remedy


def test_a_run_keeps_its_first_error_when_there_is_no_room_for_salvage() -> None:
    result = cold(Build=[StatesError("Step.Failed", "first")], Salvage=[FULL])
    assert (result.status, result.error, result.cause) == ("FAILED", "Step.Failed", "first")


def test_a_request_tells_the_next_one_what_was_asked() -> None:
    result = cold(Agent=[FULL, FULL, *GOOD["Agent"]])
    first, second = (call.arguments["Payload"] for call in result.calls if call.state == "MakeRoom")
    assert first == {"clientId": "amelia", "sessionId": "s", "commandId": "c", "room": None}
    assert second["room"] == GOOD["MakeRoom"][0]


def test_each_step_has_the_whole_time() -> None:
    again: list[Any] = [FULL, FULL]
    result = cold(Agent=[*again, *GOOD["Agent"]], Build=[*again, *GOOD["Build"]])
    assert result.status == "SUCCEEDED"
    rooms = [call.arguments["Payload"]["room"] for call in result.calls if call.state == "MakeRoom"]
    assert [room is None for room in rooms] == [True, False, True, False]


def test_nobody_has_to_leave_for_a_preparation() -> None:
    given = {**INPUT, "network": NETWORK, "prepare": True}
    script: dict[str, list[Outcome]] = {"Prepare": [REFUSED], "PrepareInNewWorkspace": [FULL]}
    result = interpret(definition(PARTS), given, script)
    assert (result.status, result.error) == ("FAILED", SfnError.NO_CAPACITY)
    assert "MakeRoom" not in result.path


def test_a_failed_request_does_not_end_the_wait() -> None:
    full: dict[str, list[Outcome]] = {step: [REFUSED] for step in STEPS}
    fresh = {f"{step}InNewWorkspace": GOOD[step] for step in STEPS}
    script = {**GOOD, **full, **fresh, "MakeRoom": [StatesError("Boom")], "AgentInNewWorkspace": [FULL, *GOOD["Agent"]]}
    result = interpret(definition(PARTS), {**INPUT, "network": NETWORK}, script)
    assert result.status == "SUCCEEDED"


def test_an_error_that_passes_soon_asks_nobody_to_leave() -> None:
    result = cold(Agent=[StatesError("ECS.ThrottlingException"), *GOOD["Agent"]])
    assert (result.status, result.attempts("MakeRoom")) == ("SUCCEEDED", 0)
