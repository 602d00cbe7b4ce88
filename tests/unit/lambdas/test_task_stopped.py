"""The diagnosis of stopped tasks, and the actions of task_stopped.

The events in `events/` have the shape of the Amazon ECS Developer Guide, "Amazon ECS task state change events". Their
texts come from "Amazon ECS stopped tasks error messages" and its linked pages.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.common.workspace_tasks import request_of
from lambdas.task_stopped import handler as entry
from lambdas.task_stopped.diagnosis import diagnose, may_start_later
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.records import SessionRecord
from sitewright.contracts.sfn_errors import SfnError
from sitewright.contracts.steps import TOKEN_GONE
from sitewright.tables.keys import session_key
from tests.support.dynamodb_double import StoredTable
from tests.support.lambdas.lambda_context import CONTEXT
from tests.support.lambdas.platform_tables import conflicting, use_double

EVENTS = Path(__file__).parent / "events"


def recorded(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


@pytest.mark.parametrize(
    ("name", "error", "code", "mentions"),
    [
        ("out_of_memory", SfnError.CRASHED, ErrorCode.WORKSPACE_CRASHED, "memoryMib"),
        ("container_exited", SfnError.CRASHED, ErrorCode.WORKSPACE_CRASHED, "log"),
        ("image_missing", SfnError.CANNOT_START, ErrorCode.WORKSPACE_CANNOT_START, "not found"),
        ("image_pull_timeout", SfnError.CRASHED, ErrorCode.WORKSPACE_CANNOT_START, "i/o timeout"),
        ("image_pull_rate", SfnError.CRASHED, ErrorCode.WORKSPACE_CANNOT_START, "toomanyrequests"),
        ("spot_interruption", SfnError.STOPPED, ErrorCode.WORKSPACE_CRASHED, "Spot"),
        ("host_maintenance", SfnError.STOPPED, ErrorCode.WORKSPACE_CRASHED, "maintenance"),
        ("user_stop", SfnError.STOPPED, ErrorCode.WORKSPACE_CRASHED, "somebody"),
        ("user_stop_before_start", SfnError.STOPPED, ErrorCode.WORKSPACE_CRASHED, "somebody"),
        ("eni_timeout", SfnError.CRASHED, ErrorCode.WORKSPACE_CANNOT_START, "network interface"),
        ("capacity", SfnError.CRASHED, ErrorCode.WORKSPACE_CANNOT_START, "Capacity"),
        ("secrets_access_denied", SfnError.CANNOT_START, ErrorCode.WORKSPACE_CANNOT_START, "AccessDenied"),
        ("secrets_timeout", SfnError.CRASHED, ErrorCode.WORKSPACE_CANNOT_START, "deadline exceeded"),
    ],
)
def test_each_kind_of_end(name: str, error: SfnError, code: ErrorCode, mentions: str) -> None:
    diagnosis = diagnose(recorded(name)["detail"])
    assert diagnosis is not None
    assert (diagnosis.error, diagnosis.info.code) == (error, code)
    assert mentions in diagnosis.info.message
    assert diagnosis.info.remedy


@pytest.mark.parametrize(
    ("said", "later"),
    [
        (
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): request canceled while waiting",
            True,
        ),
        ("CannotPullContainerError: context canceled: unexpected EOF", True),
        ("CannotPullContainerError: Error response from daemon: pull access denied for workspace", False),
        ("CannotPullContainerError: failed to resolve ref: unexpected status from HEAD request: 403 Forbidden", False),
        ("CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/arm64'", False),
        ("CannotPullContainerError: manifest unknown: manifest unknown", False),
        ("CannotStartContainerError: exec format error", False),
        ("ResourceInitializationError: ThrottlingException: Rate exceeded", True),
        ("ResourceInitializationError: ResourceNotFoundException: Secrets Manager can't find the secret value", False),
        ("ResourceInitializationError: failed to validate logger args: log group does not exist: timeout", False),
        ("The task cannot pull secrets from AWS Secrets Manager. There is a connection issue between the task", True),
        ("ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 1m", True),
        ("RESOURCE:ENI", True),
        ("something nobody has seen yet", False),
    ],
)
def test_which_starts_are_worth_another_try(said: str, later: bool) -> None:
    assert may_start_later(said) is later


def test_an_unknown_exit_code_is_reported() -> None:
    detail = recorded("container_exited")["detail"]
    detail["containers"][0]["exitCode"] = 42
    diagnosis = diagnose(detail)
    assert diagnosis is not None
    assert "exited with 42" in diagnosis.info.message
    assert "no exit code" not in diagnosis.info.message


def test_a_workspace_that_reported_needs_no_diagnosis() -> None:
    assert diagnose(recorded("container_done")["detail"]) is None


def test_the_step_is_read_from_the_overrides() -> None:
    request = request_of(recorded("user_stop")["detail"])
    assert request is not None
    assert (request.step, request.task_token, request.generation) == ("agent", "token-1", 1)
    assert (request.client_id, request.session_id) == ("amelia", "s")


@pytest.mark.parametrize(
    "overrides", [None, {}, {"containerOverrides": None}, {"containerOverrides": [{"name": "other"}]}]
)
def test_a_task_of_another_service_has_no_step(overrides: Any) -> None:
    assert request_of({"overrides": overrides}) is None


# The handler


class StepFunctions:
    """A double that knows the open tokens, because moto accepts any token."""

    def __init__(self) -> None:
        self.failed: list[dict[str, str]] = []
        self.refuses: str | None = None

    def send_task_failure(self, **request: str) -> None:
        if self.refuses:
            raise ClientError({"Error": {"Code": self.refuses, "Message": ""}}, "SendTaskFailure")
        self.failed.append(request)


class World:
    def __init__(self, aws: pytest.MonkeyPatch) -> None:
        self.sessions = StoredTable(use_double(aws), "sessions")
        self.sfn = StepFunctions()

    def claim(self, holder: str) -> None:
        record = SessionRecord(
            session_id="s",
            client_id="amelia",
            chat_thread_id="t",
            generation=1,
            workspace_id=holder,
            alive_until=1,
            claim_generation=1,
            checkpoint="key",
        )
        self.sessions.put({**record.to_item(), **session_key(record)})

    def session(self) -> dict[str, Any]:
        return self.sessions.read("amelia#s")


@pytest.fixture
def world(aws: pytest.MonkeyPatch) -> World:
    world = World(aws)
    aws.setattr(entry, "client", lambda _: world.sfn)
    return world


def handle(name: str) -> dict[str, Any]:
    return entry.handler(recorded(name), CONTEXT)


def task(name: str) -> str:
    return str(recorded(name)["detail"]["taskArn"])


def test_a_crash_frees_the_session_and_fails_the_step(world: World) -> None:
    world.claim(task("out_of_memory"))
    assert handle("out_of_memory") == {"released": True, "error": "Workspace.Crashed"}
    assert not {"workspaceId", "aliveUntil", "claimGeneration"} & set(world.session())
    assert world.session()["checkpoint"] == "key"
    (failure,) = world.sfn.failed
    assert (failure["taskToken"], failure["error"]) == ("token-1", "Workspace.Crashed")
    assert ErrorInfo.model_validate_json(failure["cause"]).code == ErrorCode.WORKSPACE_CRASHED


def test_a_late_event_leaves_the_next_workspaces_claim(world: World) -> None:
    world.claim("another task")
    assert handle("user_stop")["released"] is False
    assert world.session()["workspaceId"] == "another task"


def test_a_missing_session_is_no_failure(world: World) -> None:
    assert handle("container_exited")["released"] is False


def test_a_workspace_that_ended_by_itself_only_frees_the_session(world: World) -> None:
    world.claim(task("container_done"))
    assert handle("container_done") == {"released": True, "error": None}
    assert world.sfn.failed == []


@pytest.mark.parametrize("code", sorted(TOKEN_GONE))
def test_an_event_that_comes_twice_finds_the_token_gone(world: World, code: str) -> None:
    world.claim(task("container_exited"))
    handle("container_exited")
    world.sfn.refuses = code
    assert handle("container_exited") == {"released": False, "error": "Workspace.Crashed"}


def test_a_throttled_report_of_a_failure_is_tried_again(world: World) -> None:
    world.claim(task("container_exited"))
    world.sfn.refuses = "ThrottlingException"
    with pytest.raises(ClientError):
        handle("container_exited")
    world.sfn.refuses = None
    handle("container_exited")
    assert len(world.sfn.failed) == 1


def test_a_task_of_another_service_is_left_alone(world: World) -> None:
    event = recorded("user_stop")
    event["detail"]["overrides"] = {"containerOverrides": []}
    assert entry.handler(event, CONTEXT) == {"ignored": True}
    assert world.sfn.failed == []


def test_a_transaction_in_flight_does_not_keep_the_claim(world: World) -> None:
    world.claim(task("user_stop"))
    world.sessions.dynamodb.interfere = conflicting(2)
    assert handle("user_stop")["released"] is True
