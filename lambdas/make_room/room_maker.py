"""Finds an idle workspace and asks it to leave."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lambdas.common.workspace_tasks import request_of
from lambdas.make_room.idle_workspaces import Candidate, in_order_of_leaving, may_ask
from sitewright.contracts.base import Contract
from sitewright.contracts.steps import StepRequest
from sitewright.tables.sessions import Sessions

MOST_TASKS = 300
"""The most running tasks that are looked at. Each costs a read of 5 ms, and the function has 30 s."""

DESCRIBED_AT_ONCE = 100
"""The most tasks of one call (ECS API reference, DescribeTasks)."""


class Room(Contract):
    """What a run has asked for so far. The state machine keeps it from one request to the next."""

    asked: str | None = None
    """The client and the session whose workspace was asked last."""
    asked_at: int | None = None
    """When (ms)."""


class RoomRequest(Contract):
    """The payload from the state machine."""

    client_id: str
    session_id: str
    command_id: str
    room: Room | None = None


@dataclass(frozen=True)
class RoomMaker:
    """The logic of one function instance. `ecs` is boto3's client, `now` gives milliseconds."""

    sessions: Sessions
    ecs: Any
    cluster: str
    now: Callable[[], int]
    log: Callable[..., None]

    def run(self, request: RoomRequest) -> Room:
        """Asks one idle workspace to leave, unless this run asked another one just before. Raises botocore's exceptions."""
        room, now = request.room or Room(), self.now()
        if not may_ask(room.asked_at, now):
            return room
        for candidate in in_order_of_leaving(list(self._candidates()), request.client_id):
            session = candidate.session
            if self.sessions.ask_to_leave(session, candidate.task_arn, now):
                name = f"{session.client_id}/{session.session_id}"
                self.log("an idle workspace was asked to leave", asked=name, taskArn=candidate.task_arn)
                return Room(asked=name, asked_at=now)
        self.log("every workspace is at work")
        return room

    def _candidates(self) -> Iterator[Candidate]:
        arns = list(islice(self._running(), MOST_TASKS))
        for start in range(0, len(arns), DESCRIBED_AT_ONCE):
            some = arns[start : start + DESCRIBED_AT_ONCE]
            for task in self.ecs.describe_tasks(cluster=self.cluster, tasks=some)["tasks"]:
                request = request_of(task)
                candidate = self._candidate(task["taskArn"], request) if request else None
                if candidate:
                    yield candidate

    def _running(self) -> Iterator[str]:
        pages = self.ecs.get_paginator("list_tasks").paginate(cluster=self.cluster, desiredStatus="RUNNING")
        return (arn for page in pages for arn in page["taskArns"])

    def _candidate(self, task_arn: str, request: StepRequest) -> Candidate | None:
        session = self.sessions.peek(request)
        return Candidate(task_arn, session) if session else None
