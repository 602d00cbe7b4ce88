"""respond against moto's DynamoDB, SQS FIFO and Step Functions: each way a command can end, and every way to hear of it."""

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from contracts.errors import ErrorCode, ErrorInfo
from contracts.events import CommandNotStarted
from contracts.messages import ResponseStatus
from contracts.names import EVENT_SOURCE, NOT_STARTED, execution_name
from contracts.records import CommandRecord, SessionRecord
from contracts.steps import AgentResult, BuildResult, ExecutionInput, Interruption, PushResult, StepName, SyncResult
from lambdas.respond import handler as entry
from lambdas.respond.outcome import Outcome
from lambdas.respond.responder import JUST_ENDED_MS, SETTLE_SECONDS, Responder, SweepError
from tests.unit.lambdas.aws_support import MACHINE, NOW, REGION, item, make_fifo, make_table

ACCEPTED = NOW - 200_000
PARTS: dict[str, Any] = {
    "agent": AgentResult(summary="Did it.", files_changed=["a"], files_changed_count=1, cost_usd=0.1),
    "build": BuildResult(commit="abc", build_success=True, deploy_success=True, deployment_id="d"),
    "sync": SyncResult(deployment_id="d", files=1, bytes=1),
    "push": PushResult(commit="abc", branch="thread-t", pushed=True),
}


class Crash(Exception):
    """The function dies here."""


class World:
    """Everything respond touches, with a clock that moves only when it sleeps."""

    def __init__(self) -> None:
        self.sessions = make_table("sessions", "sessionId")
        self.commands = make_table("commands", "sessionId", "commandId", open_index=True)
        self.queue = make_fifo("response")
        self.sqs = boto3.client("sqs", REGION)
        self.runs: dict[str, dict[str, Any]] = {}
        self.time = NOW
        self.logged: list[str] = []
        self.sent: list[tuple[str, str]] = []
        self.on_sleep: list[Any] = []
        self.responder = Responder(
            sessions=self.sessions,
            commands=self.commands,
            sqs=self,
            sfn=self,
            queue_url=self.queue,
            now=lambda: self.time,
            log=lambda message, **_: self.logged.append(message),
            sleep=self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        self.time += int(seconds * 1000)
        if self.on_sleep:
            self.on_sleep.pop(0)()

    def send_message(self, **message: Any) -> Any:
        self.sent.append((message["MessageDeduplicationId"], message["MessageBody"]))
        return self.sqs.send_message(**message)

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        found = self.runs.get(executionArn)
        if found is None:
            raise boto3.client("stepfunctions", REGION).exceptions.ExecutionDoesNotExist(
                {"Error": {"Code": "ExecutionDoesNotExist", "Message": ""}}, "DescribeExecution"
            )
        return found

    def put(self, name: str = "c1", **parts: Any) -> CommandRecord:
        base: dict[str, Any] = {
            "session_id": "s",
            "command_id": name,
            "generation": 1,
            "accepted_at": ACCEPTED,
            "site_url": "http://site",
            "execution_arn": arn(name),
            "open": "open",
        }
        record = CommandRecord.model_validate({**base, **parts})
        self.commands.put_item(Item=record.to_item())
        return record

    def session(self, **parts: Any) -> None:
        record = SessionRecord.model_validate(
            {"session_id": "s", "client_id": "amelia", "chat_thread_id": "t", "generation": 1, **parts}
        )
        self.sessions.put_item(Item=record.to_item())

    def ended(self, name: str, status: str, **more: Any) -> None:
        self.runs[arn(name)] = {"status": status, "stopDate": datetime.fromtimestamp(ACCEPTED / 1000, UTC), **more}

    def run_ended(self, status: str, error: str | None = None, cause: str | None = None, name: str = "c1") -> None:
        self.responder.run_ended("s", name, status, error, cause)

    def record(self, name: str = "c1") -> dict[str, Any]:
        return item(self.commands, sessionId="s", commandId=name)

    def responses(self) -> list[dict[str, Any]]:
        """What the client has got since the last look."""
        found: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def the_response(self) -> dict[str, Any]:
        (response,) = self.responses()
        return response


def arn(name: str) -> str:
    return f"{MACHINE.replace(':stateMachine:', ':execution:')}:{execution_name('s', name)}"


@pytest.fixture
def world(aws: pytest.MonkeyPatch) -> World:
    return World()


def test_a_run_that_succeeded_is_answered_and_marked(world: World) -> None:
    world.put(**PARTS)
    world.run_ended("SUCCEEDED")
    response = world.the_response()
    assert (response["status"], response["success"], response["error"]) == ("succeeded", True, None)
    assert (response["commit"], response["pushed"], response["timestamp"]) == ("abc", True, NOW)
    record = world.record()
    assert "open" not in record
    assert record["answeredAt"] == NOW


def test_a_run_that_failed_tells_the_steps_error(world: World) -> None:
    world.put()
    world.run_ended("FAILED", "Step.Failed", ErrorInfo.of(ErrorCode.GIT_AUTH_FAILED, "no").to_json())
    response = world.the_response()
    assert (response["status"], response["error"]["code"]) == ("failed", "git_auth_failed")


def test_a_check_that_did_not_finish_is_told(world: World) -> None:
    world.put(**{**PARTS, "sync": None})
    world.run_ended("SUCCEEDED")
    response = world.the_response()
    assert (response["status"], response["error"]["code"]) == ("succeeded", "sync_check_failed")


def test_a_superseded_run_waits_for_what_its_workspace_saves(world: World) -> None:
    world.put(superseded_by="c2")
    world.session(generation=2, workspace_id="task", alive_until=NOW + 60_000, claim_generation=1)
    saved = Interruption(step=StepName.AGENT, commit="wip", pushed=True, files_changed=["a"])
    world.on_sleep = [lambda: None, lambda: world.put(superseded_by="c2", interruption=saved)]
    world.run_ended("ABORTED", "Superseded", "x")
    response = world.the_response()
    assert (response["status"], response["supersededBy"]) == ("interrupted", "c2")
    assert (response["commit"], response["pushed"]) == ("wip", True)
    assert item(world.sessions, sessionId="s")["generation"] == 2


def test_the_wait_for_a_workspace_is_bounded(world: World) -> None:
    world.put(superseded_by="c2")
    world.session(generation=2, workspace_id="task", alive_until=NOW + 600_000, claim_generation=1)
    world.run_ended("ABORTED")
    assert world.the_response()["commit"] is None
    assert SETTLE_SECONDS * 1000 <= world.time - NOW < SETTLE_SECONDS * 1000 + 1000


def test_the_successors_claim_is_nobody_to_wait_for(world: World) -> None:
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
    assert item(world.sessions, sessionId="s")["generation"] == 2


def test_the_fence_is_raised_although_a_transaction_is_in_flight(world: World) -> None:
    world.put()
    world.session()
    update, left = world.sessions.update_item, [1, 1]

    class Busy:
        get_item = world.sessions.get_item

        def update_item(self, **request: Any) -> Any:
            if left:
                left.pop()
                error = {"Error": {"Code": "TransactionConflictException", "Message": ""}}
                raise boto3.client("dynamodb", REGION).exceptions.ClientError(error, "UpdateItem")
            return update(**request)

    world.responder.sessions = Busy()
    world.run_ended("TIMED_OUT")
    assert item(world.sessions, sessionId="s")["generation"] == 2


def test_an_event_that_comes_twice_is_one_answer(world: World) -> None:
    world.put(**PARTS)
    world.run_ended("SUCCEEDED")
    world.time += 1000
    world.run_ended("SUCCEEDED")
    assert len(world.sent) == 1
    world.the_response()


def test_two_events_at_the_same_time_send_the_same_words(world: World) -> None:
    stale = world.put(**PARTS)
    world.run_ended("SUCCEEDED")
    world.commands.update_item(
        Key={"sessionId": "s", "commandId": "c1"}, UpdateExpression="REMOVE answeredAt", ReturnValues="NONE"
    )
    world.time += 1000
    # The other one had read the record before the first wrote to it.
    world.responder._answer(stale, Outcome(ResponseStatus.FAILED))
    assert len(world.sent) == 2
    assert world.sent[0] == world.sent[1]
    assert world.the_response()["status"] == "succeeded"
    world.responder._answer(stale, Outcome(ResponseStatus.FAILED))
    assert len(world.sent) == 2


def crash_after_sending(world: World) -> None:
    update = world.responder.commands.update_item

    class Dies:
        get_item = world.commands.get_item
        query = world.commands.query

        def update_item(self, **request: Any) -> Any:
            if "answeredAt" in request["UpdateExpression"]:
                raise Crash
            return update(**request)

    world.responder.commands = Dies()


@pytest.mark.parametrize("repeat", ["event", "sweep"])
def test_a_crash_between_sending_and_marking_repeats_the_same_words(world: World, repeat: str) -> None:
    world.put(**PARTS)
    crash_after_sending(world)
    with pytest.raises(Crash):
        world.run_ended("SUCCEEDED")
    world.responder.commands = world.commands
    # What the record says later must not change the answer.
    world.commands.update_item(
        Key={"sessionId": "s", "commandId": "c1"},
        UpdateExpression="SET supersededBy = :by REMOVE push",
        ExpressionAttributeValues={":by": "c2"},
    )
    world.time += 100_000
    if repeat == "event":
        world.run_ended("FAILED", "Some.Error", "another event")
    else:
        assert world.responder.sweep() == 1
    assert len(world.sent) == 2
    assert world.sent[0] == world.sent[1]
    assert world.the_response()["timestamp"] == NOW
    assert "open" not in world.record()


def test_a_crash_before_sending_loses_nothing(world: World) -> None:
    world.put(**PARTS)
    send = world.responder.sqs
    world.responder.sqs = None
    with pytest.raises(AttributeError):
        world.run_ended("SUCCEEDED")
    world.responder.sqs = send
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
        CommandNotStarted(session_id="s", command_id="nobody", status=ResponseStatus.INTERRUPTED)
    )
    assert world.sent == []
    assert len(world.logged) == 2


def test_the_sweep_answers_what_nobody_told(world: World) -> None:
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
    assert world.responder.sweep() == 4
    told = {r["commandId"]: r["status"] for r in world.responses()}
    assert told == {"done": "succeeded", "superseded": "interrupted", "lost": "failed", "refused": "rejected"}
    world.time += 60_000
    assert world.responder.sweep() == 1


def test_one_broken_record_does_not_keep_the_others_from_their_answer(world: World) -> None:
    world.put("a", **PARTS)
    world.ended("a", "SUCCEEDED")
    world.put("b")
    world.commands.update_item(
        Key={"sessionId": "s", "commandId": "b"},
        UpdateExpression="SET build = :junk",
        ExpressionAttributeValues={":junk": "junk"},
    )
    world.put("c", **PARTS)
    world.ended("c", "SUCCEEDED")
    with pytest.raises(SweepError, match="s/b"):
        world.responder.sweep()
    assert {r["commandId"] for r in world.responses()} == {"a", "c"}


# The handler, as the functions' triggers call it


@pytest.fixture
def call(world: World, aws: pytest.MonkeyPatch) -> Any:
    settings = {"RESPONSE_QUEUE_URL": world.queue, "SESSIONS_TABLE": "sessions", "COMMANDS_TABLE": "commands"}
    for name, value in settings.items():
        aws.setenv(name, value)
    return lambda event: entry.handler(event, None)  # type: ignore[arg-type]


def status_change(status: str, **detail: Any) -> dict[str, Any]:
    """As in the EventBridge event reference, "Step Functions Execution Status Change"."""
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


def test_the_handler_asks_for_what_the_event_leaves_out(world: World, call: Any) -> None:
    sfn = boto3.client("stepfunctions", REGION)
    machine = sfn.create_state_machine(
        name="sitewright-amelia",
        definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}),
        roleArn="arn:aws:iam::123456789012:role/x",
    )["stateMachineArn"]
    run = sfn.start_execution(stateMachineArn=machine, name="r", input="{}")["executionArn"]
    sfn.stop_execution(executionArn=run, error="Superseded", cause="newer")
    world.put(superseded_by="c2")
    world.session(generation=2)
    call(status_change("ABORTED", executionArn=run))
    response = world.the_response()
    assert (response["status"], response["supersededBy"], response["error"]) == ("interrupted", "c2", None)


@pytest.mark.parametrize("given", [None, "", "{}", "[1]", "no json"])
def test_the_handler_leaves_a_run_started_by_hand_alone(world: World, call: Any, given: str | None) -> None:
    assert call(status_change("SUCCEEDED", input=given)) == {}
    assert world.responses() == []


def test_the_handler_answers_a_rejected_command_once(world: World, call: Any) -> None:
    info = ErrorInfo.of(ErrorCode.UNKNOWN_CLIENT, "there is no site 'x'")
    world.put(rejection=info, execution_arn=None, generation=0)
    event = CommandNotStarted(session_id="s", command_id="c1", status=ResponseStatus.REJECTED, error=info)
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
