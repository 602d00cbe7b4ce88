"""The monthly budget: respond counts, intake refuses."""

from decimal import Decimal
from typing import Any

import pytest

from lambdas.respond.outcome import Outcome
from sitewright.contracts.messages import ResponseStatus
from sitewright.tables.commands import Commands
from sitewright.tables.spending import month_of
from tests.support.dynamodb_double import DynamoDB
from tests.support.lambdas.intake_world import World as IntakeWorld
from tests.support.lambdas.intake_world import command
from tests.support.lambdas.platform_tables import NOW
from tests.support.lambdas.respond_world import PARTS, Crash, World, world_fixture  # noqa: F401 - a fixture

MONTH = month_of(NOW)


@pytest.fixture
def intake(aws: pytest.MonkeyPatch) -> IntakeWorld:
    world = IntakeWorld(aws)
    world.add_site("bruno", monthly_budget_usd=10.0)
    return world


def spend(dynamodb: DynamoDB, client_id: str, usd: str, month: str = MONTH) -> None:
    dynamodb.put("spending", {"clientId": client_id, "month": month, "usd": Decimal(usd)}, {})


def bruno(name: str, **changes: Any) -> dict[str, Any]:
    return command(name, clientId="bruno", **changes)


def test_a_used_up_budget_refuses_a_new_command_and_says_so(intake: IntakeWorld) -> None:
    spend(intake.dynamodb, "bruno", "10")
    intake.take(bruno("c1"))
    (event,) = intake.told
    assert (event["status"], event["error"]["code"]) == ("rejected", "monthly_budget_exceeded")
    assert "$10.00" in event["error"]["message"] and MONTH in event["error"]["message"]
    assert "monthlyBudgetUsd" in event["error"]["remedy"] and "1st" in event["error"]["remedy"]
    assert intake.status("c1", client="bruno") == "NONE"


@pytest.mark.parametrize(
    ("client", "usd", "month"),
    [("bruno", "9.999999", MONTH), ("bruno", "99", "2025-09"), ("bruno", "99", "2025-11"), ("amelia", "99", MONTH)],
)
def test_another_months_and_another_clients_spending_does_not_count(
    intake: IntakeWorld, client: str, usd: str, month: str
) -> None:
    spend(intake.dynamodb, client, usd, month)
    intake.take(bruno("c1"))
    assert intake.status("c1", client="bruno") == "RUNNING"


def test_a_site_without_a_budget_takes_every_command(intake: IntakeWorld) -> None:
    spend(intake.dynamodb, "amelia", "1000000")
    intake.take(command("c1"))
    assert intake.status("c1") == "RUNNING"


def test_the_command_under_way_goes_on(intake: IntakeWorld) -> None:
    intake.take(bruno("c1"))
    spend(intake.dynamodb, "bruno", "10")
    intake.take(bruno("c2"))
    assert intake.status("c1", client="bruno") == "RUNNING"
    assert "supersededBy" not in intake.commands.read("bruno#s", "c1")


def test_an_accepted_command_that_is_delivered_again_is_started(intake: IntakeWorld) -> None:
    start = intake.sfn.start_execution

    def crash(**_: Any) -> None:
        raise Crash

    intake.sfn.start_execution = crash  # type: ignore[method-assign]
    with pytest.raises(Crash):
        intake.take(bruno("c1"))
    intake.sfn.start_execution = start  # type: ignore[method-assign]
    spend(intake.dynamodb, "bruno", "10")
    intake.take(bruno("c1"))
    assert intake.told == []
    assert intake.status("c1", client="bruno") == "RUNNING"


def test_a_refused_command_stays_refused_when_it_is_delivered_again(intake: IntakeWorld) -> None:
    spend(intake.dynamodb, "bruno", "10")
    intake.take(bruno("c1"))
    spend(intake.dynamodb, "bruno", "0")
    intake.take(bruno("c1"))
    intake.take(bruno("c2"))
    statuses = [intake.status(name, client="bruno") for name in ("c1", "c2")]
    assert statuses == ["NONE", "RUNNING"]


# respond


def spent(world: World) -> Any:
    return world.dynamodb.tables["spending"].get(("amelia", MONTH), {}).get("usd")


def test_an_answer_counts_the_commands_cost_with_an_expiry(world: World) -> None:
    world.put(**PARTS)
    world.run_ended("SUCCEEDED")
    assert spent(world) == Decimal("0.1")
    item = world.dynamodb.tables["spending"]["amelia", MONTH]
    assert item["commands"] == 1 and item["ttl"] > NOW // 1000 + 365 * 86_400


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_a_command_that_fails_costs_too(world: World, status: str) -> None:
    world.put(agent=PARTS["agent"])
    world.run_ended(status, "Step.Failed", "no")
    assert spent(world) == Decimal("0.1")


def test_repeated_events_and_crashes_count_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = world.put(**PARTS)

    def crash(*_: Any, **__: Any) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(world, "send_message", crash)
        with pytest.raises(Crash):
            world.run_ended("SUCCEEDED")
    with monkeypatch.context() as patch:
        patch.setattr(Commands, "mark_answered", crash)
        with pytest.raises(Crash):
            world.run_ended("SUCCEEDED")
    # Another event's responder had read the command before it was answered.
    world.responder.answer(stale, Outcome(ResponseStatus.FAILED))
    world.sweep()
    world.run_ended("SUCCEEDED")
    assert spent(world) == Decimal("0.1")
