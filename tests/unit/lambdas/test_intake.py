"""Intake against moto's SQS, DynamoDB, Step Functions, EventBridge and SSM."""

import json
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages import Command
from contracts.names import execution_name
from contracts.records import SiteEntry
from lambdas.intake.dead_letter import MESSAGE_BYTES, dead_letter, sendable
from lambdas.intake.handler import followers, handler
from lambdas.intake.intake import Intake
from lambdas.intake.parse import parse
from lambdas.intake.store import Store
from tests.unit.lambdas.aws_support import REGION, item, make_fifo, make_table


class World:
    """Everything intake touches, and what it told EventBridge."""

    def __init__(self) -> None:
        self.sessions = make_table("sessions", "sessionId")
        self.commands = make_table("commands", "sessionId", "commandId")
        self.sfn = boto3.client("stepfunctions", REGION)
        machine = self.sfn.create_state_machine(
            name="sitewright-amelia",
            definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 60, "End": True}}}),
            roleArn="arn:aws:iam::123456789012:role/x",
        )["stateMachineArn"]
        entry = SiteEntry(
            client_id="amelia",
            state_machine_arn=machine,
            site_url="http://site",
            bucket="edit.amelia.x",
            artifacts_bucket="artifacts",
            deployments_table="deployments",
        )
        self.ssm = boto3.client("ssm", REGION)
        self.ssm.put_parameter(Name="/sitewright/sites/amelia", Value=entry.to_json(), Type="String")
        self.sqs = boto3.client("sqs", REGION)
        self.dead = make_fifo("dead")
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

    def take(self, body: Any, later: list[str] | None = None) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.intake.handle(text, message_id="m-1", group="g", later=later or [])

    def batch(self, *names: str) -> None:
        bodies = [json.dumps(command(name)) for name in names]
        for body, later in zip(bodies, followers(bodies), strict=True):
            self.take(body, later)

    def record(self, name: str) -> dict[str, Any]:
        return item(self.commands, sessionId="s", commandId=name)

    def buried(self) -> list[dict[str, Any]]:
        got = self.sqs.receive_message(QueueUrl=self.dead, MessageAttributeNames=["All"], MaxNumberOfMessages=10)
        return list(got.get("Messages", []))

    def status(self, command: str, session: str = "s") -> str:
        arn = self.machine.replace(":stateMachine:", ":execution:") + ":" + execution_name(session, command)
        try:
            return str(self.sfn.describe_execution(executionArn=arn)["status"])
        except self.sfn.exceptions.ExecutionDoesNotExist:
            return "NONE"

    def generation(self) -> int:
        return int(str(self.sessions.get_item(Key={"sessionId": "s"})["Item"]["generation"]))


@pytest.fixture
def world(aws: pytest.MonkeyPatch) -> World:
    return World()


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
    world.batch("c1", "c2")
    assert world.status("c1") == "NONE"
    assert world.status("c2") == "RUNNING"
    assert world.told
    assert all(event["commandId"] == "c1" and event["status"] == "interrupted" for event in world.told)
    assert {event["supersededBy"] for event in world.told} == {"c2"}


def test_a_follower_of_another_thread_supersedes_nothing() -> None:
    bodies = [json.dumps(command("c1")), json.dumps(command("c2", chatThreadId="other")), "no json"]
    assert followers(bodies) == [[], [], []]


def test_an_older_command_delivered_again_behind_a_newer_one_does_not_cancel_it(world: World) -> None:
    world.take(command("c1"))
    world.take(command("c2"))
    world.batch("c3", "c2", "c1")
    assert world.status("c3") == "RUNNING"
    assert "supersededBy" not in world.record("c3")
    assert [world.status(name) for name in ("c1", "c2")] == ["ABORTED", "ABORTED"]
    assert world.generation() == 3


def test_the_newest_follower_counts_and_one_that_was_rejected_does_not(world: World) -> None:
    world.take(command("bad", instruction=" "))
    world.batch("c1", "c2", "c3", "bad")
    assert [world.status(name) for name in ("c1", "c2", "c3")] == ["NONE", "NONE", "RUNNING"]
    assert world.record("c1")["supersededBy"] == "c3"


def test_what_was_told_to_be_superseded_never_starts_although_the_newer_one_did_not_come(world: World) -> None:
    world.take(command("c1"), later=["c2"])
    world.take(command("c1"))
    assert world.status("c1") == "NONE"
    assert {event["supersededBy"] for event in world.told} == {"c2"}


def test_the_acceptance_itself_names_the_successor(world: World) -> None:
    world.take(command("c1"))
    store = world.intake.store
    site = world.intake._site("amelia")
    assert site
    store.accept(Command.model_validate(command("c2")), site, 1)
    assert world.record("c1")["supersededBy"] == "c2"


def test_a_command_answered_while_the_next_is_accepted_keeps_its_answer(world: World) -> None:
    world.take(command("c1"))
    transact = world.commands.meta.client.transact_write_items
    calls = []

    def late(**request: Any) -> Any:
        calls.append(len(request["TransactItems"]))
        if len(calls) == 1:
            world.commands.update_item(
                Key={"sessionId": "s", "commandId": "c1"},
                UpdateExpression="SET answeredAt = :now REMOVE #open",
                ExpressionAttributeNames={"#open": "open"},
                ExpressionAttributeValues={":now": 1},
            )
        return transact(**request)

    world.intake.store._client.transact_write_items = late
    world.take(command("c2"))
    assert calls == [3, 2]
    assert "supersededBy" not in world.record("c1")
    assert world.status("c2") == "RUNNING"


def test_every_older_open_run_of_the_session_is_stopped(world: World) -> None:
    world.take(command("c1"))
    store, site = world.intake.store, world.intake._site("amelia")
    assert site
    # Intake died right after this acceptance, and its message ended in the dead-letter queue.
    store.accept(Command.model_validate(command("c2")), site, 1)
    assert world.status("c1") == "RUNNING"

    world.take(command("c3"))

    assert [world.status(name) for name in ("c1", "c2", "c3")] == ["ABORTED", "NONE", "RUNNING"]
    assert world.record("c1")["supersededBy"] == "c2"
    assert [(event["commandId"], event["supersededBy"]) for event in world.told] == [("c2", "c3")]


def test_a_command_whose_response_is_fixed_does_not_start_late(world: World) -> None:
    world.take(command("c1"), later=["c2"])
    fixed = {"sessionId": "s", "commandId": "c1", "timestamp": 1, "success": False, "status": "failed"}
    world.commands.update_item(
        Key={"sessionId": "s", "commandId": "c1"},
        UpdateExpression="SET #r = :r REMOVE supersededBy",
        ExpressionAttributeNames={"#r": "response"},
        ExpressionAttributeValues={":r": fixed},
    )
    world.take(command("c1"))
    assert world.status("c1") == "NONE"


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


@pytest.mark.parametrize(
    "body",
    [
        "{",
        '"text"',
        json.dumps({"sessionId": "s"}),
        json.dumps({"commandId": 1}),
        '{"sessionId": "s", "commandId": ' + "9" * 5000 + "}",
        "9" * 5000,
        "NaN",
        "[" * 100_000,
        '{"a":' * 100_000,
        json.dumps(command("c\n")),
        json.dumps(command("c\0")),
        json.dumps(command("c", sessionId="s\n")),
        json.dumps(command("\ud800")),
        '{"sessionId": "s", "sessionId": "t", "commandId": "c"}',
    ],
    ids=lambda body: repr(body)[:40],
)
def test_what_nobody_can_be_answered_for_goes_to_the_dead_letter_queue(world: World, body: str) -> None:
    world.take(body)
    (got,) = world.buried()
    assert got["Body"] == body
    reason = got["MessageAttributes"]["reason"]["StringValue"]
    assert reason
    assert reason == sendable(reason)
    assert world.told == []


def wrong(**changes: str) -> str:
    """A command with raw JSON for some fields."""
    fields = {name: json.dumps(value) for name, value in command("c").items()} | changes
    return "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"


@pytest.mark.parametrize(
    ("body", "mentions"),
    [
        (wrong(instruction="9" * 5000), "instruction"),
        (wrong(instruction="-" + "9" * 5000), "instruction"),
        (wrong(extra="NaN"), "NaN"),
        (wrong(extra='[{"deep": -Infinity}]'), "-Infinity"),
        (wrong(extra='{"a": 1, "a": 2}'), '"a"'),
        (wrong(extra='{"\\ud800": 1, "\\ud800": 2}'), "ud800"),
        (wrong()[:-1] + ', "instruction": "y"}', "instruction"),
        (wrong(instruction='"\\ud800"'), "instruction"),
        (wrong(instruction='"a\\u0000b"'), "instruction"),
        (wrong(userId='"\\udfff"'), "userId"),
        (wrong(clientId='"amelia\\n"'), "clientId"),
        (wrong(chatThreadId='"t\\n"'), "chatThreadId"),
        (wrong(sessionId='"s!"'), "sessionId"),
        (wrong(chatThreadId='"\\u0000"'), "chatThreadId"),
    ],
)
def test_what_is_no_proper_json_is_rejected_where_the_ids_can_be_read(world: World, body: str, mentions: str) -> None:
    world.take(body)
    (event,) = world.told
    assert (event["status"], event["commandId"]) == ("rejected", "c")
    assert mentions in event["error"]["message"]
    assert world.buried() == []
    assert world.status("c") == "NONE"


def test_a_huge_number_in_a_field_nobody_reads_does_no_harm(world: World) -> None:
    world.take(wrong(extra="9" * 5000))
    assert world.status("c") == "RUNNING"


@given(st.text(st.characters(codec=None, categories=None)) | st.binary().map(lambda b: b.decode("latin-1")))
def test_no_body_makes_the_parser_raise(body: str) -> None:
    parse(body)
    parse('{"sessionId": "s", "commandId": "c", "instruction": "' + body + '"}')


@given(st.text(st.characters(codec=None, categories=None)), st.sampled_from(["", "x", "ü" * (MESSAGE_BYTES // 2)]))
def test_a_dead_letter_is_always_one_that_sqs_takes(reason: str, body: str) -> None:
    letter = dead_letter(body, reason)
    assert letter.reason.strip()
    assert len(letter.body.encode()) + len(letter.reason.encode()) + 12 <= MESSAGE_BYTES
    assert sendable(letter.reason) == letter.reason
    assert body.startswith(letter.body)


def test_a_batch_with_a_poisoned_message_takes_the_others(world: World, aws: pytest.MonkeyPatch) -> None:
    for name, value in {
        "INPUT_DLQ_URL": world.dead,
        "SESSIONS_TABLE": "sessions",
        "COMMANDS_TABLE": "commands",
    }.items():
        aws.setenv(name, value)
    bodies = ["9" * 5000, json.dumps(command("c1"))]
    records = [
        {
            "messageId": f"m{n}",
            "body": body,
            "attributes": {"MessageGroupId": "s"},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
        }
        for n, body in enumerate(bodies)
    ]
    assert handler({"Records": records}, None) == {"batchItemFailures": []}  # type: ignore[arg-type]
    assert world.status("c1") == "RUNNING"
    assert [letter["Body"] for letter in world.buried()] == bodies[:1]
