"""The events of respond: status changes of executions, rejected commands, the schedule."""

import json
from typing import Any

import boto3
import pytest

from lambdas.respond import handler as entry
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.events import CommandNotStarted
from sitewright.contracts.messages import ResponseStatus
from sitewright.contracts.names import EVENT_SOURCE, NOT_STARTED
from sitewright.contracts.steps import ExecutionInput
from tests.support.lambdas.lambda_context import CONTEXT
from tests.support.lambdas.platform_tables import MACHINE, REGION
from tests.support.lambdas.respond_world import (
    PARTS,
    World,
    arn,
    world_fixture,  # noqa: F401 - a fixture
)


@pytest.fixture
def call(world: World) -> Any:
    return lambda event: entry.handler(event, CONTEXT)


def status_change(status: str, **detail: Any) -> dict[str, Any]:
    """Makes an event as in the EventBridge event reference, "Step Functions Execution Status Change"."""
    request = ExecutionInput(
        session_id="s", command_id="c1", client_id="amelia", chat_thread_id="t", generation=1
    ).to_json()
    base = {"executionArn": arn("c1"), "stateMachineArn": MACHINE, "status": status, "input": request}
    return {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {**base, **detail},
    }


def test_the_handler_answers_a_status_change_once(world: World, call: Any) -> None:
    world.put(**PARTS)
    call(status_change("SUCCEEDED"))
    call(status_change("SUCCEEDED"))
    assert world.the_response()["status"] == "succeeded"


def test_the_handler_takes_the_error_from_the_event(world: World, call: Any) -> None:
    world.put()
    call(status_change("FAILED", error="Workspace.Busy", cause="held"))
    assert world.the_response()["error"]["code"] == "workspace_busy"


def test_the_handler_reads_fields_that_the_event_leaves_out(world: World, call: Any) -> None:
    event = status_change("ABORTED")
    run = _run(world, event["detail"]["input"])
    boto3.client("stepfunctions", REGION).stop_execution(executionArn=run, error="Superseded", cause="newer")
    world.put(superseded_by="c2")
    world.session(generation=2)
    call({**event, "detail": {**event["detail"], "executionArn": run}})
    response = world.the_response()
    assert (response["status"], response["supersededBy"], response["error"]) == ("interrupted", "c2", None)


def _run(world: World, given: str) -> str:
    """Starts a run of a state machine in moto, and returns its ARN."""
    sfn = boto3.client("stepfunctions", REGION)
    machine = sfn.create_state_machine(
        name="sitewright-amelia",
        definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}),
        roleArn="arn:aws:iam::123456789012:role/x",
    )["stateMachineArn"]
    return str(sfn.start_execution(stateMachineArn=machine, name="r", input=given)["executionArn"])


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
def test_the_handler_reads_an_input_that_a_large_output_drove_out_of_the_event(
    world: World, call: Any, status: str
) -> None:
    event = status_change(status)
    world.put(**PARTS)
    run = _run(world, event["detail"].pop("input"))
    call({**event, "detail": {**event["detail"], "executionArn": run, "inputDetails": {"included": False}}})
    assert world.the_response()["status"] == status.lower()


@pytest.mark.parametrize("error", ["States.DataLimitExceeded", "States.Runtime", "States.QueryEvaluationError"])
def test_a_run_that_no_catch_could_save_is_answered_with_what_is_known(world: World, call: Any, error: str) -> None:
    world.put(**PARTS)
    call(status_change("FAILED", error=error, cause="The state/task returned a result with a size exceeding"))
    response = world.the_response()
    assert (response["status"], response["commit"], response["pushed"]) == ("failed", "abc", True)
    assert response["error"]["code"] == "internal_error" and error in response["error"]["message"]
    assert response["error"]["remedy"]


@pytest.mark.parametrize("given", ["{}", "[1]", "no json"])
def test_the_handler_ignores_a_manually_started_run(world: World, call: Any, given: str | None) -> None:
    assert call(status_change("SUCCEEDED", input=given)) == {}
    assert world.responses() == []


def test_the_handler_answers_a_rejected_command_once(world: World, call: Any) -> None:
    info = ErrorInfo.of(ErrorCode.UNKNOWN_CLIENT, "there is no site 'x'")
    world.put(rejection=info, execution_arn=None, generation=0)
    event = CommandNotStarted(
        client_id="amelia", session_id="s", command_id="c1", status=ResponseStatus.REJECTED, error=info
    )
    for _ in range(2):
        call({"source": EVENT_SOURCE, "detail-type": NOT_STARTED, "detail": json.loads(event.to_json())})
    response = world.the_response()
    assert (response["status"], response["error"]["code"], response["durationMs"]) == (
        "rejected",
        "unknown_client",
        None,
    )


def test_the_handler_sweeps_on_its_schedule(world: World, call: Any) -> None:
    world.put(rejection=ErrorInfo.of(ErrorCode.UNKNOWN_CLIENT, "no"), execution_arn=None, generation=0)
    assert call({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}) == {"answered": 1}
    assert world.the_response()["status"] == "rejected"
