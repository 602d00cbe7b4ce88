"""Messages that were sent too long ago are rejected, and interrupt nothing."""

import json
from typing import Any

import pytest

from lambdas.intake.handler import handler
from lambdas.intake.later_commands import LaterCommand, later_commands
from lambdas.intake.message_age import sent_at
from tests.support.lambdas.intake_world import (
    NOW,
    World,
    command,
    world_fixture,  # noqa: F401 - a fixture
)
from tests.support.lambdas.lambda_context import CONTEXT

LIMIT = 6 * 3_600_000
OLD = NOW - LIMIT - 1


@pytest.fixture(autouse=True)
def _limit(world: World) -> None:
    world.ssm.delete_parameter(Name="/sitewright/sites/amelia")
    entry = {"max_message_age_seconds": LIMIT // 1000}
    world.sfn.delete_state_machine(stateMachineArn=world.machine)
    world.machine = world.add_site("amelia", **entry)


@pytest.mark.parametrize(("told", "arrived"), [(OLD, None), (None, OLD), (OLD, NOW), (NOW + 9_000, OLD)])
def test_an_old_message_is_rejected_and_interrupts_nothing(world: World, told: int | None, arrived: int | None) -> None:
    world.take(command("today"))
    world.take(command("old", **({"sentAt": told} if told else {})), arrived=arrived)
    (event,) = world.told
    assert (event["commandId"], event["status"]) == ("old", "rejected")
    assert event["error"]["code"] == "message_too_old"
    assert "2025-10-09 02:53 UTC" in event["error"]["message"] and "6 hours" in event["error"]["message"]
    assert world.status("today") == "RUNNING" and world.status("old") == "NONE"
    assert world.generation() == 1


@pytest.mark.parametrize(("told", "arrived"), [(NOW - LIMIT, None), (None, None), (NOW + 9_000_000, NOW), (None, NOW)])
def test_a_younger_message_is_taken(world: World, told: int | None, arrived: int | None) -> None:
    world.take(command("c1", **({"sentAt": told} if told else {})), arrived=arrived)
    assert world.status("c1") == "RUNNING"


def test_a_command_that_was_accepted_goes_on_however_late_its_message_comes_again(world: World) -> None:
    world.accept("c1")
    world.take(command("c1", sentAt=OLD))
    assert world.told == [] and world.status("c1") == "RUNNING"


def test_a_site_without_a_limit_takes_every_message(world: World) -> None:
    world.add_site("bruno")
    world.take(command("c1", clientId="bruno", sentAt=1))
    assert world.status("c1", client="bruno") == "RUNNING"


def test_an_old_message_behind_a_new_one_in_the_batch_does_not_cancel_it(world: World) -> None:
    world.batch("new", "old", old=OLD)
    assert world.status("new") == "RUNNING" and "supersededBy" not in world.record("new")
    assert [(event["commandId"], event["status"]) for event in world.told] == [("old", "rejected")]


@pytest.mark.parametrize("wrong", ["yesterday", -1, 1.5, True])
def test_a_time_that_is_none_is_rejected_by_name(world: World, wrong: Any) -> None:
    world.take(command("c1", sentAt=wrong))
    assert world.told[0]["error"]["code"] == "invalid_message" and "sentAt" in world.told[0]["error"]["message"]


def test_seconds_instead_of_milliseconds_show_as_a_date(world: World) -> None:
    world.take(command("c1", sentAt=NOW // 1000))
    assert "1970-01-21" in world.told[0]["error"]["message"]


def test_the_time_of_arrival_comes_from_the_queue(world: World) -> None:
    attributes = {"MessageGroupId": "s", "SentTimestamp": str(OLD)}
    record = {"messageId": "m", "body": json.dumps(command("c1")), "attributes": attributes, "messageAttributes": {}}
    assert handler({"Records": [{**record, "eventSource": "aws:sqs"}]}, CONTEXT) == {"batchItemFailures": []}
    assert world.status("c1") == "NONE"


def test_the_earlier_of_both_times_counts() -> None:
    assert [sent_at(1, 2), sent_at(2, 1), sent_at(None, 2), sent_at(None, None)] == [1, 1, 2, None]
    bodies = [(json.dumps(command("a")), 1), (json.dumps(command("b", sentAt=3)), 5)]
    assert later_commands(bodies)[0] == [LaterCommand("b", 3)]
