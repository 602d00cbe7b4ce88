"""Messages that are no commands: rejected if a response can be addressed, otherwise sent to the dead-letter queue."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.intake.acceptance import rejected_record
from lambdas.intake.dead_letter import MESSAGE_BYTES, dead_letter, sendable
from lambdas.intake.parse import Rejected, Unreadable, parse
from lambdas.respond.outcome import Outcome, build_response
from sitewright.contracts.messages import Command, ResponseStatus
from sitewright.contracts.storable_ids import MAX_ID_BYTES, storable_id
from sitewright.tables.keys import client_session
from tests.support.lambdas.intake_world import (
    World,
    command,
    world_fixture,  # noqa: F401 - a fixture
)


@pytest.mark.parametrize(
    ("body", "code", "mentions"),
    [
        (command("c", clientId="nobody"), "unknown_client", "nobody"),
        (command("c", clientId="No Body"), "invalid_message", "clientId"),
        (command("c", instruction="  "), "invalid_message", "instruction"),
        (command("c", instruction=None), "invalid_message", "instruction"),
        (command("c", prepare=True), "invalid_message", "takes no instruction"),
        (command("c", prepare="yes"), "invalid_message", "prepare"),
        (command("c", allow=["build_failed"]), "invalid_message", "pages_missing"),
        (command("c", allow=["everything"]), "invalid_message", "allow"),
        (command("c", instruction="x" * 300_000), "invalid_message", "instruction"),
        (command("c", chatThreadId="a..b"), "invalid_message", "chatThreadId"),
    ],
)
def test_a_wrong_field_is_rejected_by_name(world: World, body: Any, code: str, mentions: str) -> None:
    world.take(body)
    (event,) = world.told
    assert event["status"] == "rejected"
    assert event["error"]["code"] == code
    assert mentions in event["error"]["message"] and "Value error" not in event["error"]["message"]
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
        json.dumps(command("\ud800")),
        json.dumps(command("c", sessionId="x" * MAX_ID_BYTES)),
        json.dumps(command("c" * 6, sessionId="\1" * (MAX_ID_BYTES // 6 + 1))),
        '{"sessionId": "s", "sessionId": "t", "commandId": "c"}',
    ],
    ids=lambda body: repr(body)[:40],
)
def test_a_message_without_an_addressee_goes_to_the_dead_letter_queue(world: World, body: str) -> None:
    world.take(body)
    (got,) = world.buried()
    assert got["Body"] == body
    reason = got["MessageAttributes"]["reason"]["StringValue"]
    assert reason
    assert reason == sendable(reason)
    assert world.told == []


def wrong(**changes: str) -> str:
    """Makes a command with raw JSON for some fields."""
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
def test_improper_json_is_rejected_if_its_ids_are_readable(world: World, body: str, mentions: str) -> None:
    world.take(body)
    (event,) = world.told
    assert (event["status"], event["commandId"]) == ("rejected", "c")
    assert mentions in event["error"]["message"]
    assert world.buried() == []
    assert world.status("c") == "NONE"


def test_a_huge_number_in_an_unused_field_does_no_harm(world: World) -> None:
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


GROUP_ID = re.compile(r"[!-~]{1,128}")
ODD_IDS = ["", " ", "a b", "ü/..//x", "c\n", "c\0", "\ufffe", "x" * 129, "🥐" * 1000, "~" + "0" * 64]


@pytest.mark.parametrize("odd", ODD_IDS)
def test_an_id_that_is_not_of_our_alphabet_gets_a_rejected_response(world: World, odd: str) -> None:
    world.take(command(odd, sessionId=odd))
    assert world.buried() == []
    (event,) = world.told
    record = world.commands.read(f"amelia#{event['sessionId']}", event["commandId"])
    assert record["originalCommandId"] == record["originalSessionId"] == odd
    assert event["commandId"] == storable_id(odd) and GROUP_ID.fullmatch(event["commandId"])
    assert event["status"] == "rejected" and "commandId" in event["error"]["message"]


def test_an_id_that_sqs_takes_is_the_key_itself(world: World) -> None:
    world.take(command("c!", sessionId="s"))
    assert "originalCommandId" not in world.record("c!")


def test_two_odd_ids_are_two_commands(world: World) -> None:
    for odd in ("a b", storable_id("a b")):
        world.take(command(odd))
    assert len({event["commandId"] for event in world.told}) == 2


text = st.text(st.characters(codec=None, categories=None)) | st.sampled_from(
    [*ODD_IDS, "s", "c-1", "\ud800", "x" * 40_000, "\1" * 6_000, "\1" * 5_000, "ü" * 16_000]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcü\0 ", max_size=5), inner, max_size=3),
    max_leaves=5,
)
fields = st.fixed_dictionaries(
    {"sessionId": text, "commandId": text},
    optional={
        "clientId": st.just("amelia") | values,
        "chatThreadId": st.just("t") | values,
        "instruction": st.just("Edit") | values,
        "userId": values,
        "other": values,
    },
)


@given(fields, st.booleans())
def test_two_string_ids_lead_to_a_command_a_deliverable_response_or_a_dead_letter(
    message: dict[str, Any], ascii_only: bool
) -> None:
    parsed = parse(json.dumps(message, ensure_ascii=ascii_only))
    if isinstance(parsed, Rejected):
        assert (parsed.session_id, parsed.command_id) == (message["sessionId"], message["commandId"])
        record = rejected_record(parsed, parsed.error, 1)
        # SQS and DynamoDB take these ids (see storable_ids), and the item has room for the response.
        assert GROUP_ID.fullmatch(storable_id(client_session(record))) and GROUP_ID.fullmatch(record.command_id)
        response = build_response(record, Outcome(ResponseStatus.REJECTED, parsed.error), 1)
        assert len(record.to_json().encode()) + len(response.to_json().encode()) < 400_000
        body = response.message_body()
        assert len(body.encode()) <= MESSAGE_BYTES and sendable(body) == body
        answer = json.loads(body)
        assert (answer["sessionId"], answer["commandId"]) == (message["sessionId"], message["commandId"])
        assert answer["status"] == "rejected" and answer["error"]["message"]
    elif isinstance(parsed, Unreadable):
        ids = message["sessionId"], message["commandId"]
        assert any(len(json.dumps(i).encode()) > MAX_ID_BYTES or re.search("[\ud800-\udfff]", i) for i in ids)
    else:
        assert isinstance(parsed, Command)
