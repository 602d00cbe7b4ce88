"""Intake against moto's SQS, Step Functions and SSM, and tables in memory."""

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError

from lambdas.intake.handler import handler
from lambdas.intake.later_commands import LaterCommand, later_commands
from tests.support.lambdas.intake_world import (
    World,
    command,
    preparation,
    world_fixture,  # noqa: F401 - a fixture
)
from tests.support.lambdas.lambda_context import CONTEXT


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
    old = world.record("c1")
    assert old["supersededBy"] == "c2"


def test_a_preparation_is_a_run_without_an_instruction(world: World) -> None:
    world.take(preparation("p1"))
    world.take(preparation("p1"))
    assert world.status("p1") == "RUNNING"
    assert world.input("p1")["prepare"] is True
    assert world.generation() == 1
    assert world.record("p1")["prepare"] is True and "instruction" not in world.record("p1")
    world.take(command("c1"))
    assert world.status("p1") == "ABORTED", "an instruction does not wait"
    assert world.input("c1")["prepare"] is False


def test_a_command_keeps_what_it_allows(world: World) -> None:
    world.take(command("c1", allow=["pages_missing", "lfs_pointers", "pages_missing"]))
    assert world.record("c1")["allow"] == ["lfs_pointers", "pages_missing"]


def test_a_preparation_interrupts_nothing(world: World) -> None:
    world.take(command("c1"))
    world.take(preparation("p1"))
    assert world.status("c1") == "RUNNING"
    assert world.generation() == 1
    [event] = world.told
    assert (event["commandId"], event["status"], event["error"]["code"]) == ("p1", "rejected", "nothing_to_prepare")
    world.answer("c1")
    world.take(preparation("p2"))
    assert world.status("p2") == "RUNNING"


def test_a_preparation_in_the_batch_of_an_instruction_interrupts_nothing(world: World) -> None:
    world.batch("c1", preparation("p1"))
    assert world.status("c1") == "RUNNING"
    assert [(event["commandId"], event["status"]) for event in world.told] == [("p1", "rejected")]


def test_an_instruction_in_the_batch_of_a_preparation_does_not_wait(world: World) -> None:
    world.batch(preparation("p1"), "c1")
    assert (world.status("p1"), world.status("c1")) == ("NONE", "RUNNING")


def test_the_same_message_twice_is_one_command(world: World) -> None:
    world.take(command("c1"))
    world.take(command("c1", instruction="something else"))
    assert world.generation() == 1
    assert world.record("c1")["instruction"] == "x"


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
    assert later_commands([(body, None) for body in bodies]) == [[], [], []]


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


def test_a_superseded_command_never_starts_even_if_the_newer_one_is_lost(world: World) -> None:
    world.take(command("c1"), later=[LaterCommand("c2")])
    world.take(command("c1"))
    assert world.status("c1") == "NONE"
    assert {event["supersededBy"] for event in world.told} == {"c2"}


def test_the_acceptance_itself_names_the_successor(world: World) -> None:
    world.take(command("c1"))
    world.accept("c2")
    assert world.record("c1")["supersededBy"] == "c2"


def test_a_command_answered_while_the_next_is_accepted_keeps_its_answer(world: World) -> None:
    world.take(command("c1"))
    client = world.intake.commands.table.client
    transact, calls = client.transact_write_items, []

    def late(**request: Any) -> Any:
        calls.append(len(request["TransactItems"]))
        if len(calls) == 1:
            world.commands.change("amelia#s", "c1", answeredAt=1, remove=("open",))
        return transact(**request)

    client.transact_write_items = late  # type: ignore[method-assign]
    world.take(command("c2"))
    assert calls == [3, 2]
    assert "supersededBy" not in world.record("c1")
    assert world.status("c2") == "RUNNING"


def test_every_older_open_run_of_the_session_is_stopped(world: World) -> None:
    world.take(command("c1"))
    # Intake died directly after this acceptance, and its message ended in the dead-letter queue.
    world.accept("c2")
    assert world.status("c1") == "RUNNING"

    world.take(command("c3"))

    assert [world.status(name) for name in ("c1", "c2", "c3")] == ["ABORTED", "NONE", "RUNNING"]
    assert world.record("c1")["supersededBy"] == "c2"
    assert [(event["commandId"], event["supersededBy"]) for event in world.told] == [("c2", "c3")]


def test_a_command_whose_response_is_fixed_does_not_start_late(world: World) -> None:
    world.take(command("c1"), later=[LaterCommand("c2")])
    fixed = {"sessionId": "s", "commandId": "c1", "timestamp": 1, "success": False, "status": "failed"}
    world.commands.change("amelia#s", "c1", response=fixed, remove=("supersededBy",))
    world.take(command("c1"))
    assert world.status("c1") == "NONE"


def test_a_batch_with_a_poisoned_message_takes_the_others(world: World) -> None:
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
    assert handler({"Records": records}, CONTEXT) == {"batchItemFailures": []}
    assert world.status("c1") == "RUNNING"
    assert [letter["Body"] for letter in world.buried()] == bodies[:1]


def test_a_site_is_read_from_ssm_once_a_minute(world: World) -> None:
    sites = world.intake.sites
    first = sites.find("amelia")
    world.ssm.delete_parameter(Name="/sitewright/sites/amelia")
    assert first is not None and sites.find("amelia") == first
    sites.parameters.clear_cache()
    assert sites.find("amelia") is None


def test_a_site_is_found_as_soon_as_it_is_registered(world: World) -> None:
    assert world.intake.sites.find("bruno") is None
    world.add_site("bruno")
    assert world.intake.sites.find("bruno") is not None


def test_ssm_out_of_reach_is_no_unknown_client(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "GetParameter")

    monkeypatch.setattr(world.intake.sites.parameters, "_get", refuse)
    with pytest.raises(GetParameterError):
        world.intake.sites.find("amelia")
