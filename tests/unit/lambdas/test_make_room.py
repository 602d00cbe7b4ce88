"""make_room: which idle workspace is asked to leave when ECS starts no further one."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas.common import platform_tables
from lambdas.make_room.idle_workspaces import ASK_AGAIN_MS, Candidate, in_order_of_leaving
from lambdas.make_room.room_maker import Room, RoomMaker, RoomRequest
from sitewright.contracts.names import WORKSPACE_CONTAINER
from sitewright.contracts.records import SessionRecord
from sitewright.contracts.steps import StepEnv, StepName, StepRequest
from sitewright.tables.keys import session_key
from tests.support.dynamodb_double import StoredTable
from tests.support.lambdas.platform_tables import NOW, use_double


def session(name: str, client: str = "amelia", **parts: Any) -> SessionRecord:
    base: dict[str, Any] = {
        "client_id": client,
        "session_id": name,
        "chat_thread_id": "t",
        "generation": 1,
        "claim_generation": 1,
        "workspace_id": f"task-{client}-{name}",
        "alive_until": NOW + 10_000,
        "idle_since": NOW - 60_000,
    }
    return SessionRecord.model_validate({**base, **parts})


class World:
    """Running tasks with their sessions, and the function's logic."""

    def __init__(self, aws: pytest.MonkeyPatch) -> None:
        self.stored = StoredTable(use_double(aws), "sessions")
        self.tasks: list[dict[str, Any]] = []
        self.time = NOW
        self.logged: list[str] = []
        ecs = SimpleNamespace(get_paginator=lambda _: self, describe_tasks=self.describe_tasks)
        self.maker = RoomMaker(
            platform_tables.sessions(), ecs, "cluster", lambda: self.time, lambda text, **_: self.logged.append(text)
        )

    def add(self, record: SessionRecord) -> None:
        self.stored.put({**record.to_item(), **session_key(record)})
        environment = {
            StepEnv.STEP: "agent",
            StepEnv.TASK_TOKEN: "token",
            StepEnv.CLIENT_ID: record.client_id,
            StepEnv.SESSION_ID: record.session_id,
            StepEnv.COMMAND_ID: "c1",
            StepEnv.GENERATION: "1",
        }
        pairs = [{"name": str(name), "value": value} for name, value in environment.items()]
        override = {"name": WORKSPACE_CONTAINER, "environment": pairs}
        arn = f"task-{record.client_id}-{record.session_id}"
        self.tasks.append({"taskArn": arn, "overrides": {"containerOverrides": [override]}})

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        assert request == {"cluster": "cluster", "desiredStatus": "RUNNING"}
        for task in self.tasks:
            yield {"taskArns": [task["taskArn"]]}

    def describe_tasks(self, *, cluster: str, tasks: list[str]) -> dict[str, Any]:
        assert 0 < len(tasks) <= 100
        return {"tasks": [task for task in self.tasks if task["taskArn"] in tasks]}

    def ask(self, room: Room | None = None, client: str = "amelia") -> Room:
        return self.maker.run(RoomRequest(client_id=client, session_id="new", command_id="c", room=room))

    def asked(self) -> list[str]:
        items = self.stored.dynamodb.tables["sessions"].values()
        return [str(each["sessionId"]) for each in items if "leaveAskedAt" in each]


@pytest.fixture(name="world")
def world_fixture(aws: pytest.MonkeyPatch) -> World:
    return World(aws)


def test_the_workspace_that_is_idle_for_longest_is_asked(world: World) -> None:
    world.add(session("short", idle_since=NOW - 1_000))
    world.add(session("long", idle_since=NOW - 100_000))
    assert world.ask() == Room(asked="amelia/long", asked_at=NOW)
    assert world.asked() == ["long"]


def test_a_client_gives_up_its_own_workspace_before_a_strangers(world: World) -> None:
    world.add(session("stranger", "bruno", idle_since=NOW - 100_000))
    world.add(session("own", idle_since=NOW - 1_000))
    assert world.ask().asked == "amelia/own"
    assert world.ask().asked == "bruno/stranger", "and then the stranger's"


STEP = StepRequest(
    step=StepName.AGENT, task_token="t", client_id="amelia", session_id="s", command_id="c", generation=1
)


@pytest.mark.parametrize(
    "parts",
    [
        {"idle_since": None},
        {"serving": STEP},
        {"mailbox": STEP},
        {"leave_asked_at": NOW},
        {"workspace_id": "task-other"},
        {"generation": 2},
    ],
    ids=str,
)
def test_a_workspace_that_is_needed_is_left_alone(world: World, parts: dict[str, Any]) -> None:
    world.add(session("s", **parts))
    assert world.ask() == Room()
    assert world.logged == ["every workspace is at work"]


def test_a_run_asks_the_next_one_only_when_the_first_had_time_to_leave(world: World) -> None:
    world.add(session("a", idle_since=1))
    world.add(session("b", idle_since=2))
    first = world.ask()
    world.time += ASK_AGAIN_MS - 1
    assert world.ask(first) == first
    world.time += 1
    assert world.ask(first).asked == "amelia/b"


def test_a_task_of_another_service_is_passed_over(world: World) -> None:
    world.tasks.append({"taskArn": "task-strange", "overrides": {}})
    world.add(session("s"))
    assert world.ask().asked == "amelia/s"


def test_the_order_of_leaving_has_idle_workspaces_only() -> None:
    busy = Candidate("task-amelia-s", session("s", idle_since=None))
    assert in_order_of_leaving([busy], "amelia") == []
