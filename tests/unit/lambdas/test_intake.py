"""Intake against moto's SQS, DynamoDB, Step Functions, EventBridge and SSM."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from contracts.names import execution_name
from contracts.records import SiteEntry
from lambdas.intake.handler import followers
from lambdas.intake.intake import Intake
from lambdas.intake.store import Store

REGION = "us-west-2"


class World:
    """Everything intake touches, and what it told EventBridge."""

    def __init__(self) -> None:
        dynamodb = boto3.resource("dynamodb", REGION)
        self.sessions = dynamodb.create_table(
            TableName="sessions",
            KeySchema=[{"AttributeName": "sessionId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "sessionId", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.commands = dynamodb.create_table(
            TableName="commands",
            KeySchema=[
                {"AttributeName": "sessionId", "KeyType": "HASH"},
                {"AttributeName": "commandId", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "sessionId", "AttributeType": "S"},
                {"AttributeName": "commandId", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        self.sfn = boto3.client("stepfunctions", REGION)
        machine = self.sfn.create_state_machine(
            name="sitewright-amelia",
            definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 60, "End": True}}}),
            roleArn="arn:aws:iam::123456789012:role/x",
        )["stateMachineArn"]
        entry = SiteEntry(client_id="amelia", state_machine_arn=machine, site_url="http://site", bucket="edit.amelia.x")
        self.ssm = boto3.client("ssm", REGION)
        self.ssm.put_parameter(Name="/sitewright/sites/amelia", Value=entry.to_json(), Type="String")
        self.sqs = boto3.client("sqs", REGION)
        self.dead = self.sqs.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        self.machine = machine
        self.told: list[dict[str, Any]] = []
        self.intake = Intake(
            store=Store(self.sessions, self.commands, sleep=lambda _: None),
            sfn=self.sfn,
            events=self,
            ssm=self.ssm,
            sqs=self.sqs,
            dead_letter_url=self.dead,
            now=lambda: 1_760_000_000_000,
            log=lambda *_, **__: None,
        )

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, int]:
        self.told += [json.loads(entry["Detail"]) for entry in Entries]
        return {"FailedEntryCount": 0}

    def take(self, body: Any, later: dict[str, str] | None = None) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.intake.handle(text, message_id="m-1", group="g", later=later or {})

    def status(self, command: str, session: str = "s") -> str:
        arn = self.machine.replace(":stateMachine:", ":execution:") + ":" + execution_name(session, command)
        try:
            return str(self.sfn.describe_execution(executionArn=arn)["status"])
        except self.sfn.exceptions.ExecutionDoesNotExist:
            return "NONE"

    def generation(self) -> int:
        return int(str(self.sessions.get_item(Key={"sessionId": "s"})["Item"]["generation"]))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield World()


def command(name: str, **changes: Any) -> dict[str, Any]:
    base = {"sessionId": "s", "commandId": name, "clientId": "amelia", "chatThreadId": "t", "instruction": "x"}
    return {**base, **changes}


def test_a_command_starts_a_run_with_ids_only(world: World) -> None:
    world.take(command("c1"))
    assert world.status("c1") == "RUNNING"
    assert world.generation() == 1
    assert world.told == []


def test_a_newer_command_stops_the_older_run_and_names_itself(world: World) -> None:
    world.take(command("c1"))
    world.take(command("c2"))
    assert world.status("c1") == "ABORTED"
    assert world.status("c2") == "RUNNING"
    assert world.generation() == 2
    old = world.commands.get_item(Key={"sessionId": "s", "commandId": "c1"})["Item"]
    assert old["supersededBy"] == "c2"


def test_the_same_message_twice_is_one_command(world: World) -> None:
    world.take(command("c1"))
    world.take(command("c1", instruction="something else"))
    assert world.generation() == 1
    assert world.commands.get_item(Key={"sessionId": "s", "commandId": "c1"})["Item"]["instruction"] == "x"


def test_a_late_duplicate_of_an_older_command_does_not_start_again(world: World) -> None:
    world.take(command("c1"))
    world.take(command("c2"))
    world.take(command("c1"))
    assert world.status("c1") == "ABORTED"
    assert world.status("c2") == "RUNNING"
    assert world.generation() == 2


def test_a_replay_after_a_crash_between_accept_and_start_finishes_the_work(world: World) -> None:
    world.take(command("c1"))
    stop, start = world.sfn.stop_execution, world.sfn.start_execution

    class Crash(Exception):
        pass

    def crash(**_: Any) -> None:
        raise Crash

    world.sfn.stop_execution = crash  # type: ignore[method-assign]
    with pytest.raises(Crash):
        world.take(command("c2"))
    world.sfn.stop_execution, world.sfn.start_execution = stop, start  # type: ignore[method-assign]
    assert world.status("c1") == "RUNNING"

    world.take(command("c2"))

    assert world.status("c1") == "ABORTED"
    assert world.status("c2") == "RUNNING"
    assert world.generation() == 2


def test_two_in_one_batch_the_first_never_starts_and_is_answered(world: World) -> None:
    bodies = [json.dumps(command("c1")), json.dumps(command("c2"))]
    for body, later in zip(bodies, followers(bodies), strict=True):
        world.take(body, later)
    assert world.status("c1") == "NONE"
    assert world.status("c2") == "RUNNING"
    assert world.told
    assert all(event["commandId"] == "c1" and event["status"] == "interrupted" for event in world.told)
    assert {event["supersededBy"] for event in world.told} == {"c2"}


def test_a_follower_of_another_thread_supersedes_nothing() -> None:
    bodies = [json.dumps(command("c1")), json.dumps(command("c2", chatThreadId="other")), "no json"]
    assert followers(bodies) == [{}, {}, {}]


@pytest.mark.parametrize(
    ("body", "code", "mentions"),
    [
        (command("c", clientId="nobody"), "unknown_client", "nobody"),
        (command("c", clientId="No Body"), "invalid_message", "clientId"),
        (command("c", instruction="  "), "invalid_message", "instruction"),
        (command("c", instruction="x" * 300_000), "invalid_message", "instruction"),
        (command("c", chatThreadId="a..b"), "invalid_message", "chatThreadId"),
    ],
)
def test_a_wrong_field_is_rejected_by_name(world: World, body: Any, code: str, mentions: str) -> None:
    world.take(body)
    (event,) = world.told
    assert event["status"] == "rejected"
    assert event["error"]["code"] == code
    assert mentions in event["error"]["message"]
    assert world.status("c") == "NONE"


def test_another_thread_in_the_same_session_is_rejected(world: World) -> None:
    world.take(command("c1"))
    world.take(command("c2", chatThreadId="other"))
    assert world.told[0]["error"]["code"] == "session_mismatch"
    assert world.status("c1") == "RUNNING"


@pytest.mark.parametrize("body", ["{", '"text"', json.dumps({"sessionId": "s"}), json.dumps({"commandId": 1})])
def test_what_nobody_can_be_answered_for_goes_to_the_dead_letter_queue(world: World, body: str) -> None:
    world.take(body)
    got = world.sqs.receive_message(QueueUrl=world.dead, MessageAttributeNames=["All"])["Messages"]
    assert got[0]["Body"] == body
    assert got[0]["MessageAttributes"]["reason"]["StringValue"]
