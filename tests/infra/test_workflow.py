"""The paths of a run, walked through the very definition that is deployed."""

from typing import Any

import pytest
from workspace.children import STOP_LADDER
from workspace.report import PATIENCE_SECONDS as REPORT_SECONDS
from workspace.restore import CLONE_SECONDS, DOWN_SECONDS
from workspace.runner import BUSY_SECONDS
from workspace.save import PUSH_SECONDS

from contracts.errors import SfnError
from contracts.steps import StepEnv
from stacks.constructs.workflow import MARGIN_SECONDS, definition
from tests.infra.asl import Outcome, Run, StatesError, interpret
from tests.infra.parts import PARTS

INPUT = {"sessionId": "s", "commandId": "c", "clientId": "amelia", "chatThreadId": "t", "generation": 3}
AGENT = {"filesChanged": ["a.astro"], "filesChangedCount": 1, "summary": "done"}
BUILD = {"commit": "abc", "buildSuccess": True, "deploySuccess": True}
SYNC = {"deploymentId": "d", "files": 2}
PUSH = {"commit": "abc", "pushed": True}

GOOD: dict[str, list[Outcome]] = {
    "Agent": [AGENT],
    "WriteCommitMessage": ["[2026-01-01] Edit"],
    "Build": [BUILD],
    "RecordSync": [SYNC],
    "Push": [PUSH],
    "Salvage": [PUSH],
}


def run(**script: list[Outcome]) -> Run:
    return interpret(definition(PARTS), INPUT, {**GOOD, **script})


def environment(result: Run, call: int) -> dict[str, str]:
    pairs = result.calls[call].arguments["Overrides"]["ContainerOverrides"][0]["Environment"]
    return {pair["Name"]: pair["Value"] for pair in pairs}


def test_all_is_well() -> None:
    result = run()
    assert result.status == "SUCCEEDED"
    assert [call.state for call in result.calls] == ["Agent", "WriteCommitMessage", "Build", "RecordSync", "Push"]
    message = "[2026-01-01] Edit"
    assert result.output == {"agent": AGENT, "commitMessage": message, "build": BUILD, "sync": SYNC, "push": PUSH}


def test_a_step_gets_its_ids_and_its_token() -> None:
    first = environment(run(), 0)
    assert first == {
        StepEnv.STEP: "agent",
        StepEnv.TASK_TOKEN: "token-Agent-1",
        StepEnv.SESSION_ID: "s",
        StepEnv.COMMAND_ID: "c",
        StepEnv.GENERATION: "3",
    }


def test_no_files_changed_needs_no_commit_message() -> None:
    result = run(Agent=[{**AGENT, "filesChanged": [], "filesChangedCount": 0}])
    assert result.status == "SUCCEEDED"
    assert "WriteCommitMessage" not in result.path
    assert result.output["commitMessage"] is None


@pytest.mark.parametrize("build_success", [True, False])
def test_what_is_not_published_is_pushed_without_books(build_success: bool) -> None:
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


@pytest.mark.parametrize("state", ["Agent", "Build", "Push", "Salvage"])
def test_an_interrupted_run_is_not_salvaged(state: str) -> None:
    script: dict[str, list[Any]] = {state: [StatesError(SfnError.INTERRUPTED)]}
    if state == "Salvage":
        script["Agent"] = [StatesError("Step.Failed")]
    result = run(**script)
    assert (result.status, result.error) == ("FAILED", SfnError.INTERRUPTED)
    assert result.path[-2:] == [state, "Interrupted"]
    assert result.attempts(state) == 1


def test_books_that_cannot_be_kept_do_not_stop_the_push() -> None:
    result = run(RecordSync=[StatesError("ManifestChangedError", "busy")])
    assert result.status == "SUCCEEDED"
    assert result.output["sync"] == {"error": {"Error": "ManifestChangedError", "Cause": "busy"}}
    assert result.attempts("Push") == 1


@pytest.mark.parametrize("error", [SfnError.CRASHED, SfnError.STOPPED, SfnError.BUSY, "States.HeartbeatTimeout"])
def test_a_lost_workspace_is_replaced_twice(error: str) -> None:
    result = run(Build=[StatesError(error), StatesError(error), BUILD])
    assert result.status == "SUCCEEDED"
    assert result.attempts("Build") == 3
    tokens = [call.token for call in result.calls if call.state == "Build"]
    assert len(set(tokens)) == 3
    result = run(Build=[StatesError(error)])
    assert (result.status, result.error, result.attempts("Build")) == ("FAILED", error, 3)


def test_a_workspace_that_cannot_start_is_not_tried_again() -> None:
    result = run(Agent=[StatesError(SfnError.CANNOT_START)])
    assert (result.error, result.attempts("Agent")) == (SfnError.CANNOT_START, 1)


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("Agent", "AmazonECS.Unknown"),
        ("WriteCommitMessage", "Lambda.TooManyRequestsException"),
        ("RecordSync", "Lambda.ServiceException"),
    ],
)
def test_what_the_service_refuses_for_now_is_tried_again(state: str, error: str) -> None:
    result = run(**{state: [*[StatesError(error)] * 5, *GOOD[state]]})
    assert (result.status, result.attempts(state)) == ("SUCCEEDED", 6)


def test_an_unassigned_variable_is_noticed() -> None:
    machine = definition(PARTS)
    del machine["States"]["Agent"]["Assign"]["sync"]
    result = interpret(machine, INPUT, {**GOOD, "Build": [{**BUILD, "deploySuccess": False}]})
    assert (result.status, result.error) == ("FAILED", "States.QueryEvaluationError")


def test_an_aws_sdk_task_fails_with_the_services_error() -> None:
    machine = {
        "QueryLanguage": "JSONata",
        "StartAt": "Offer",
        "States": {
            "Offer": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken",
                "Arguments": {"Key": {"sessionId": {"S": "{% $states.context.Execution.Input.sessionId %}"}}},
                "Catch": [{"ErrorEquals": ["DynamoDb.ConditionalCheckFailedException"], "Next": "Cold"}],
                "Next": "Warm",
            },
            "Warm": {"Type": "Succeed"},
            "Cold": {"Type": "Succeed"},
        },
    }
    refused = interpret(machine, INPUT, {"Offer": [StatesError("DynamoDb.ConditionalCheckFailedException")]})
    assert refused.path == ["Offer", "Cold"]
    assert refused.calls[0].arguments == {"Key": {"sessionId": {"S": "s"}}}
    assert interpret(machine, INPUT, {"Offer": [{"ok": True}]}).path == ["Offer", "Warm"]


def test_the_containers_own_limit_fires_before_the_states() -> None:
    start = definition(PARTS)["States"]["Agent"]["HeartbeatSeconds"]
    ladder = sum(seconds for _, seconds in STOP_LADDER)
    assert start + BUSY_SECONDS + DOWN_SECONDS + CLONE_SECONDS + ladder + PUSH_SECONDS + REPORT_SECONDS < MARGIN_SECONDS
