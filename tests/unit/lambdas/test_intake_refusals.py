"""Messages that are no commands: rejected where somebody can be answered, kept where nobody can."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.intake.dead_letter import MESSAGE_BYTES, dead_letter, sendable
from lambdas.intake.parse import parse
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
