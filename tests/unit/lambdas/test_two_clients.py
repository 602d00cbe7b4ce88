"""Two clients with the same ids, and a client whose workspace role was stolen: neither reaches the other."""

import json
from typing import Any

import pytest

from lambdas.respond.outcome import Outcome
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.events import CommandNotStarted
from sitewright.contracts.messages import ResponseStatus
from sitewright.tables.keys import CommandRef
from tests.support.lambdas.intake_world import World as IntakeWorld
from tests.support.lambdas.intake_world import command
from tests.support.lambdas.platform_tables import NOW
from tests.support.lambdas.respond_world import PARTS, World, arn, world_fixture  # noqa: F401 - a fixture


@pytest.fixture
def intake(aws: pytest.MonkeyPatch) -> IntakeWorld:
    world = IntakeWorld(aws)
    world.add_site("bruno")
    return world


def test_the_same_ids_at_a_second_client_are_another_session(intake: IntakeWorld) -> None:
    intake.take(command("c1"))
    intake.take(command("c1", clientId="bruno", chatThreadId="other", instruction="y"))
    assert intake.told == []
    assert (intake.status("c1"), intake.status("c1", client="bruno")) == ("RUNNING", "RUNNING")
    assert intake.commands.read("amelia#s", "c1")["instruction"] == "x"
    assert intake.commands.read("bruno#s", "c1")["instruction"] == "y"


def test_a_newer_command_of_one_client_leaves_the_other_client_alone(intake: IntakeWorld) -> None:
    intake.take(command("c1"))
    intake.take(command("c1", clientId="bruno"))
    intake.take(command("c2", clientId="bruno"))
    assert intake.status("c1") == "RUNNING"
    assert (intake.status("c1", client="bruno"), intake.status("c2", client="bruno")) == ("ABORTED", "RUNNING")


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in command("c1").items() if key != name}


UNNAMED = [
    without("clientId"),
    command("c1", clientId=None),
    command("c1", clientId="Bruno!"),
    command("c1", clientId="bruno#s"),
    command("c1", clientId=["bruno"]),
    json.dumps(command("c1"))[:-1] + ', "clientId": "bruno"}',
]


@pytest.mark.parametrize("body", [*UNNAMED, command("c1", clientId="nobody")], ids=str)
def test_a_rejection_is_the_same_whether_or_not_a_client_has_the_ids(intake: IntakeWorld, body: Any) -> None:
    intake.take(body)
    (free,) = intake.told
    intake.told.clear()
    intake.commands.dynamodb.tables["commands"].clear()
    intake.take(command("c1", clientId="bruno"))
    intake.take(command("c1"))
    before = {**intake.commands.dynamodb.tables["commands"]}
    intake.take(body)
    assert intake.told == [free], "the answer shows that the ids are taken"
    kept = intake.commands.dynamodb.tables["commands"]
    assert {key: kept[key] for key in before} == before


def test_a_mismatch_names_no_client(intake: IntakeWorld) -> None:
    intake.take(command("c1"))
    intake.take(command("c2", chatThreadId="other"))
    (event,) = intake.told
    assert event["error"]["code"] == "session_mismatch"
    assert "amelia" not in event["error"]["message"]


def test_the_responses_of_two_clients_differ_in_group_and_deduplication(world: World) -> None:
    sent: list[dict[str, str]] = []
    world.responder.sqs.send_message = lambda **message: sent.append(message)
    for client in ("amelia", "bruno", None):
        record = world.put(client_id=client)
        world.responder.answer(record, Outcome(ResponseStatus.FAILED))
    assert [message["MessageGroupId"] for message in sent] == ["amelia#s", "bruno#s", "#s"]
    assert len({message["MessageDeduplicationId"] for message in sent}) == 3
    assert [json.loads(message["MessageBody"])["clientId"] for message in sent] == ["amelia", "bruno", None]


def test_a_long_group_is_hashed(world: World) -> None:
    sent: list[dict[str, str]] = []
    world.responder.sqs.send_message = lambda **message: sent.append(message)
    world.put(client_id="a" * 32, session_id="s" * 128)
    ids = CommandRef("a" * 32, "s" * 128, "c1")
    world.responder.not_started(
        CommandNotStarted(
            client_id=ids.client_id, session_id=ids.session_id, command_id="c1", status=ResponseStatus.INTERRUPTED
        )
    )
    (message,) = sent
    assert message["MessageGroupId"].startswith("~") and len(message["MessageGroupId"]) <= 128


# A thief has the role of bruno's workspace. It writes every attribute of bruno's items, but no key.


def forge(world: Any, **attributes: Any) -> None:
    world.commands.change("bruno#s", "c1", **attributes)


def test_a_forged_item_answers_no_command_of_another_client(world: World) -> None:
    world.put(**PARTS)
    world.put(client_id="bruno", accepted_at=NOW - 3_600_000, execution_arn=None)
    forge(world, clientId="amelia", sessionId="s", commandId="c1")
    assert world.sweep() == 1
    response = world.the_response()
    assert (response["clientId"], response["status"]) == ("bruno", "failed")
    assert "response" not in world.record() and "answeredAt" not in world.record()


def test_a_forged_response_names_its_own_client(world: World) -> None:
    world.put(client_id="bruno", execution_arn=None)
    lie = {"clientId": "amelia", "sessionId": "s", "commandId": "c1", "timestamp": 1, "success": True}
    forge(world, response={**lie, "status": "succeeded"})
    assert world.sweep() == 1
    assert world.the_response()["clientId"] == "bruno"


def test_a_forged_run_shows_nothing_of_another_clients_run(world: World) -> None:
    secret = ErrorInfo.of(ErrorCode.GIT_AUTH_FAILED, "amelia's repository")
    world.ended("c1", "FAILED", error="Step.Failed", cause=secret.to_json())
    world.put(client_id="bruno", accepted_at=NOW - 3_600_000, execution_arn=arn("c1"))
    world.sweep()
    response = world.the_response()
    assert response["clientId"] == "bruno" and "amelia" not in json.dumps(response)


def test_a_forged_run_makes_intake_stop_no_run_of_another_client(intake: IntakeWorld) -> None:
    intake.take(command("c1"))
    intake.take(command("c1", clientId="bruno"))
    forge(intake, executionArn=intake.commands.read("amelia#s", "c1")["executionArn"])
    intake.take(command("c2", clientId="bruno"))
    assert intake.status("c1") == "RUNNING"
    assert intake.status("c2", client="bruno") == "RUNNING"


def test_a_forged_session_raises_no_generation_of_another_client(world: World) -> None:
    world.session()
    world.put(client_id="bruno", execution_arn=None)
    forge(world, clientId="amelia")
    world.responder.run_ended(CommandRef("bruno", "s", "c1"), "TIMED_OUT", None, None)
    assert world.sessions.read("amelia#s")["generation"] == 1
