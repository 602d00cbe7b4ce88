"""Interprets the deployed definition of the state machine: the paths of a run."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from workspace.lifecycle.interruption import PUSH_SECONDS
from workspace.lifecycle.runner import BUSY_SECONDS
from workspace.lifecycle.step_report import BACKOFF as REPORT_BACKOFF
from workspace.repository.checkpoints.restore import CLONE_SECONDS, DOWN_SECONDS
from workspace.system.children import STOP_LADDER

from sitewright.contracts.sfn_errors import SfnError
from sitewright.contracts.steps import StepEnv
from stacks.site.workflow import definition
from stacks.site.workflow_states import MARGIN_SECONDS
from tests.support.stacks.asl import Outcome, Run, StatesError, interpret
from tests.support.stacks.run_results import (
    AGENT,
    BROKEN,
    BUILD,
    GOOD,
    INPUT,
    NETWORK,
    PUSH,
    REFUSED,
    REPAIR,
    STEPS,
    SYNC,
)
from tests.support.stacks.workflow_parts import PARTS


def run(**script: list[Outcome]) -> Run:
    """Runs the definition. The session's workspace does `{step}`, a fresh one `{step}InNewWorkspace`."""
    fresh = {f"{step}InNewWorkspace": GOOD[step] for step in STEPS}
    return interpret(definition(PARTS), {**INPUT, "network": NETWORK}, {**GOOD, **fresh, **script})


def cold(**script: list[Outcome]) -> Run:
    """Runs the definition without a live workspace: every offer is refused, and `script` is for fresh workspaces."""
    refused: dict[str, list[Outcome]] = {step: [REFUSED] for step in STEPS}
    names = {f"{name}InNewWorkspace" if name in STEPS else name: outcomes for name, outcomes in script.items()}
    return run(**{**refused, **names})


def environment(result: Run, call: int) -> dict[str, str]:
    pairs = result.calls[call].arguments["Overrides"]["ContainerOverrides"][0]["Environment"]
    return {pair["Name"]: pair["Value"] for pair in pairs}


def test_everything_succeeds() -> None:
    result = run()
    assert result.status == "SUCCEEDED"
    assert [call.state for call in result.calls] == ["Agent", "WriteCommitMessage", "Build", "RecordSync", "Push"]
    message = "[2026-01-01] Edit"
    done = {"agent": AGENT, "commitMessage": message, "build": BUILD, "repair": None, "sync": SYNC, "push": PUSH}
    assert result.output == done


@pytest.mark.parametrize("warm", [True, False])
def test_a_preparation_is_one_step(warm: bool) -> None:
    prepared = {"buildSuccess": True}
    offered: list[Outcome] = [prepared] if warm else [REFUSED]
    script: dict[str, list[Outcome]] = {"Prepare": offered, "PrepareInNewWorkspace": [prepared]}
    result = interpret(definition(PARTS), {**INPUT, "network": NETWORK, "prepare": True}, script)
    assert [call.state for call in result.calls] == ["Prepare", *([] if warm else ["PrepareInNewWorkspace"])]
    assert (result.status, result.output) == ("SUCCEEDED", {"prepared": prepared})


def test_a_preparation_that_fails_has_nothing_to_salvage() -> None:
    result = interpret(definition(PARTS), {**INPUT, "prepare": True}, {"Prepare": [StatesError(SfnError.STEP_FAILED)]})
    assert [call.state for call in result.calls] == ["Prepare"]
    assert (result.status, result.error) == ("FAILED", SfnError.STEP_FAILED)


def test_a_step_gets_its_ids_and_its_token() -> None:
    first = environment(cold(), 1)
    assert first == {
        StepEnv.STEP: "agent",
        StepEnv.TASK_TOKEN: "token-AgentInNewWorkspace-1",
        StepEnv.CLIENT_ID: "amelia",
        StepEnv.SESSION_ID: "s",
        StepEnv.COMMAND_ID: "c",
        StepEnv.GENERATION: "3",
    }


def test_a_fresh_workspace_starts_in_the_network_of_the_input() -> None:
    found = cold().calls[1].arguments["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert (found["Subnets"], found["SecurityGroups"]) == (["subnet-1", "subnet-2"], ["sg-1"])


def test_no_files_changed_needs_no_commit_message() -> None:
    result = run(Agent=[{**AGENT, "filesChanged": [], "filesChangedCount": 0}])
    assert result.status == "SUCCEEDED"
    assert "WriteCommitMessage" not in result.path
    assert result.output["commitMessage"] is None


@pytest.mark.parametrize("build_success", [True, False])
def test_an_unpublished_build_is_pushed_without_record_sync(build_success: bool) -> None:
    result = run(Build=[{**BUILD, "buildSuccess": build_success, "deploySuccess": False}])
    assert result.status == "SUCCEEDED"
    assert "RecordSync" not in result.path
    assert result.attempts("Push") == 1
    assert result.output["sync"] is None


@pytest.mark.parametrize("state", ["Agent", "WriteCommitMessage", "Build"])
def test_a_failure_is_salvaged_and_stays_the_runs_error(state: str) -> None:
    result = run(**{state: [StatesError("Step.Failed", "first")], "Salvage": [StatesError("Step.Failed", "second")]})
    assert (result.status, result.error, result.cause) == ("FAILED", "Step.Failed", "first")
    assert result.path[-3:] == [state, "Salvage", "Failed"]


def test_a_failed_push_is_not_salvaged() -> None:
    result = run(Push=[StatesError("Step.Failed", "no")])
    assert (result.status, result.cause) == ("FAILED", "no")
    assert "Salvage" not in result.path


@pytest.mark.parametrize("state", ["Agent", "Build", "Repair", "Push", "Salvage"])
def test_an_interrupted_run_is_not_salvaged(state: str) -> None:
    script: dict[str, list[Any]] = {state: [StatesError(SfnError.INTERRUPTED)]}
    if state == "Repair":
        script["Build"] = [BROKEN]
    if state == "Salvage":
        script["Agent"] = [StatesError("Step.Failed")]
    result = run(**script)
    assert (result.status, result.error) == ("FAILED", SfnError.INTERRUPTED)
    assert result.path[-2:] == [state, "Interrupted"]
    assert result.attempts(state) == 1


def test_a_failed_record_sync_does_not_stop_the_push() -> None:
    result = run(RecordSync=[StatesError("ManifestChangedError", "busy")])
    assert result.status == "SUCCEEDED"
    assert result.output["sync"] == {"error": {"Error": "ManifestChangedError", "Cause": "busy"}}
    assert result.attempts("Push") == 1


@pytest.mark.parametrize("error", [SfnError.CRASHED, SfnError.STOPPED, SfnError.BUSY, "States.HeartbeatTimeout"])
def test_a_lost_workspace_is_replaced_twice(error: str) -> None:
    result = cold(Build=[StatesError(error), StatesError(error), BUILD])
    assert result.status == "SUCCEEDED"
    assert result.attempts("BuildInNewWorkspace") == 3
    tokens = [call.token for call in result.calls if call.state == "BuildInNewWorkspace"]
    assert len(set(tokens)) == 3
    result = cold(Build=[StatesError(error)])
    assert (result.status, result.error, result.attempts("BuildInNewWorkspace")) == ("FAILED", error, 3)


def test_a_workspace_that_cannot_start_is_not_tried_again() -> None:
    result = cold(Agent=[StatesError(SfnError.CANNOT_START)])
    assert (result.error, result.attempts("AgentInNewWorkspace")) == (SfnError.CANNOT_START, 1)


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("Agent", "ECS.ServerException"),
        ("WriteCommitMessage", "Lambda.TooManyRequestsException"),
        ("RecordSync", "Lambda.ServiceException"),
    ],
)
def test_a_transient_refusal_of_the_service_is_tried_again(state: str, error: str) -> None:
    result = cold(**{state: [*[StatesError(error)] * 5, *GOOD[state]]})
    tried = "AgentInNewWorkspace" if state == "Agent" else state
    assert (result.status, result.attempts(tried)) == ("SUCCEEDED", 6)


def test_an_unassigned_variable_is_noticed() -> None:
    machine = definition(PARTS)
    del machine["States"]["Agent"]["Assign"]["sync"]
    result = interpret(machine, INPUT, {**GOOD, "Build": [{**BUILD, "deploySuccess": False}]})
    assert (result.status, result.error) == ("FAILED", "States.QueryEvaluationError")


def test_a_build_that_the_edit_broke_is_repaired_committed_and_built_again() -> None:
    result = run(Build=[BROKEN, BUILD])
    assert result.status == "SUCCEEDED"
    assert [call.state for call in result.calls] == [
        *("Agent", "WriteCommitMessage", "Build"),
        *("Repair", "WriteCommitMessage", "Build", "RecordSync", "Push"),
    ]
    assert (result.output["build"], result.output["repair"]) == (BUILD, REPAIR)
    first, second = (call.arguments["Payload"] for call in result.calls if call.state == "WriteCommitMessage")
    assert (first["repairs"], first["filesChanged"], first["summary"]) == (0, ["a.astro"], "done")
    assert (second["repairs"], second["filesChanged"], second["summary"]) == (1, ["b.astro"], "repaired")
    repair = next(call for call in result.calls if call.state == "Repair")
    assert repair.arguments["ExpressionAttributeValues"][":mail"]["M"]["step"] == {"S": "repair"}


@pytest.mark.parametrize("attempts", [0, 1, 2, 3])
def test_a_build_is_repaired_up_to_the_limit_and_then_pushed(attempts: int) -> None:
    machine = definition(replace(PARTS, repair_attempts=attempts))
    result = interpret(machine, INPUT, {**GOOD, "Build": [BROKEN]})
    assert (result.status, result.output["build"]) == ("SUCCEEDED", BROKEN)
    assert (result.attempts("Repair"), result.attempts("Build")) == (attempts, attempts + 1)
    assert result.calls[-1].state == "Push"


def test_without_attempts_there_is_nothing_of_a_repair() -> None:
    assert not [name for name in definition(replace(PARTS, repair_attempts=0))["States"] if "Repair" in name]


@pytest.mark.parametrize(
    "build", [{**BROKEN, "brokenByEdit": False}, {k: v for k, v in BROKEN.items() if k != "brokenByEdit"}]
)
def test_a_build_that_fails_for_another_reason_is_pushed(build: dict[str, Any]) -> None:
    result = run(Build=[build])
    assert (result.status, result.attempts("Repair"), result.attempts("Push")) == ("SUCCEEDED", 0, 1)


def test_where_the_agent_changed_nothing_there_is_nothing_to_repair() -> None:
    result = run(Agent=[{**AGENT, "filesChanged": [], "filesChangedCount": 0}], Build=[BROKEN])
    assert (result.status, result.attempts("Repair")) == ("SUCCEEDED", 0)


def test_a_repair_that_changes_nothing_is_not_built() -> None:
    result = run(Build=[BROKEN], Repair=[{**REPAIR, "changed": False}])
    assert (result.status, result.attempts("Build"), result.attempts("Push")) == ("SUCCEEDED", 1, 1)


@pytest.mark.parametrize("error", ["Step.Failed", SfnError.CRASHED, SfnError.CANNOT_START, "States.Timeout"])
@pytest.mark.parametrize("lives", [False, True])
def test_a_repair_that_fails_does_not_lose_the_run(error: str, lives: bool) -> None:
    script: dict[str, list[Outcome]] = {"Build": [BROKEN], "Repair": [StatesError(error)]}
    fresh: dict[str, list[Outcome]] = {"RepairInNewWorkspace": [StatesError(error)]}
    result = run(**script, **fresh) if lives else cold(**script)
    assert (result.status, result.output["build"], result.output["repair"]) == ("SUCCEEDED", BROKEN, None)
    assert (
        result.path[-1] == "Done"
        and any(state.startswith("Push") for state in result.path[-3:])
        and "Salvage" not in result.path
    )


def test_a_repair_is_offered_to_the_workspace_that_lives() -> None:
    result = run(Build=[BROKEN, BUILD])
    assert (result.status, result.attempts("Repair"), result.attempts("RepairInNewWorkspace")) == ("SUCCEEDED", 1, 0)
    result = run(Build=[BROKEN, BUILD], Repair=[REFUSED])
    assert (result.status, result.attempts("RepairInNewWorkspace")) == ("SUCCEEDED", 1)


def test_a_workspace_that_lives_does_every_step() -> None:
    result = run()
    assert result.status == "SUCCEEDED"
    assert [call.state for call in result.calls] == ["Agent", "WriteCommitMessage", "Build", "RecordSync", "Push"]
    assert set(result.output) == {"agent", "commitMessage", "build", "repair", "sync", "push"}


def test_an_offer_is_a_write_to_the_mailbox_of_a_live_workspace_of_this_generation() -> None:
    offer = run().calls[0].arguments
    now = offer["ExpressionAttributeValues"].pop(":now")
    assert abs(int(now["N"]) / 1000 - time.time()) < 60
    mail = {"step": {"S": "agent"}, "taskToken": {"S": "token-Agent-1"}, "generation": {"N": "3"}}
    assert offer == {
        "TableName": "Sessions",
        "Key": {"clientSession": {"S": "amelia#s"}},
        "UpdateExpression": "SET mailbox = :mail",
        "ConditionExpression": "aliveUntil > :now AND generation = :generation",
        "ExpressionAttributeValues": {
            ":mail": {"M": {**mail, "clientId": {"S": "amelia"}, "sessionId": {"S": "s"}, "commandId": {"S": "c"}}},
            ":generation": {"N": "3"},
        },
    }


@pytest.mark.parametrize(
    "lost",
    [
        REFUSED,
        StatesError("States.HeartbeatTimeout"),
        StatesError(SfnError.CRASHED),
        StatesError(SfnError.STOPPED),
        StatesError(SfnError.BUSY),
        StatesError("DynamoDb.ResourceNotFoundException"),
    ],
)
@pytest.mark.parametrize("step", ["Agent", "Build", "Push"])
def test_an_offer_that_comes_to_nothing_starts_a_fresh_workspace(step: str, lost: StatesError) -> None:
    result = run(**{step: [lost]})
    assert result.status == "SUCCEEDED"
    assert (result.attempts(step), result.attempts(f"{step}InNewWorkspace")) == (1, 1)
    assert "Salvage" not in result.path
    assert result.output["push"] == PUSH


def test_a_first_message_pays_one_start() -> None:
    result = run(Agent=[REFUSED])
    assert sum("ecs:runTask" in call.resource for call in result.calls) == 1


@pytest.mark.parametrize("error", [SfnError.STEP_FAILED, "States.Timeout"])
def test_a_step_that_failed_in_a_living_workspace_is_not_done_again(error: str) -> None:
    result = run(Build=[StatesError(error, "first")])
    assert (result.status, result.error, result.cause) == ("FAILED", error, "first")
    assert "BuildInNewWorkspace" not in result.path
    assert result.path[-2:] == ["Salvage", "Failed"]


def test_an_offer_that_a_newer_command_ended_is_an_interrupt() -> None:
    result = run(Build=[StatesError(SfnError.INTERRUPTED)])
    assert (result.status, result.error, result.path[-1]) == ("FAILED", SfnError.INTERRUPTED, "Interrupted")


def test_a_conflict_with_the_workspaces_refresh_is_retried() -> None:
    result = run(Agent=[StatesError("DynamoDb.TransactionConflictException"), AGENT])
    assert (result.attempts("Agent"), result.attempts("AgentInNewWorkspace")) == (2, 0)


def test_a_salvage_that_fails_keeps_the_first_error() -> None:
    result = run(
        Build=[StatesError("Step.Failed", "first")],
        Salvage=[StatesError(SfnError.CRASHED, "second")],
        SalvageInNewWorkspace=[StatesError("Step.Failed", "third")],
    )
    assert (result.status, result.cause) == ("FAILED", "first")


def test_the_containers_own_limit_fires_before_the_states() -> None:
    start = definition(PARTS)["States"]["AgentInNewWorkspace"]["HeartbeatSeconds"]
    ladder = sum(seconds for _, seconds in STOP_LADDER)
    assert (
        start + BUSY_SECONDS + DOWN_SECONDS + CLONE_SECONDS + ladder + PUSH_SECONDS + REPORT_BACKOFF.seconds
        < MARGIN_SECONDS
    )


def test_every_task_is_caught_bounded_and_retried() -> None:
    states = definition(PARTS)["States"]
    tasks = {name: state for name, state in states.items() if state["Type"] == "Task"}
    steps = {*STEPS, "Prepare"}
    fresh = {f"{step}InNewWorkspace" for step in steps}
    assert set(tasks) == {"WriteCommitMessage", "RecordSync", "MakeRoom", *steps} | fresh
    for name, state in tasks.items():
        assert state["TimeoutSeconds"] > 0, name
        assert state["Retry"], name
        assert any("States.ALL" in catch["ErrorEquals"] for catch in state["Catch"]), name
        if state["Resource"].endswith(".waitForTaskToken"):
            assert state["HeartbeatSeconds"] < state["TimeoutSeconds"], name
            assert "Workspace.Interrupted" in state["Catch"][0]["ErrorEquals"], name


def test_the_override_stays_below_the_limit_of_ecs() -> None:
    overrides = definition(PARTS)["States"]["AgentInNewWorkspace"]["Arguments"]["Overrides"]
    values = {StepEnv.TASK_TOKEN: "t" * 1024, StepEnv.SESSION_ID: "s" * 128, StepEnv.COMMAND_ID: "c" * 128}
    for pair in overrides["ContainerOverrides"][0]["Environment"]:
        pair["Value"] = values.get(pair["Name"], pair["Value"])
    assert len(json.dumps(overrides)) < 8192
