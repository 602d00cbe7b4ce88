"""Simulates one session in one thread, one action at a time.

It runs intake, state machine, workspaces, task_stopped and respond.

All decisions are made by the product's own code. Simulated are the services, the work of a step, and the threads.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from botocore.exceptions import EndpointConnectionError

from lambdas.common.platform_tables import BACKOFF
from lambdas.intake.command_intake import Intake
from lambdas.intake.monthly_budget import MonthlyBudget
from lambdas.intake.runs import Runs
from lambdas.intake.site_registry import SiteRegistry
from lambdas.respond.responder import Responder
from lambdas.respond.sweep import Sweep
from lambdas.task_stopped import handler as task_stopped
from sitewright.contracts.events import CommandNotStarted, EndedRun
from sitewright.contracts.names import SITE_PARAMETER_PREFIX, WORKSPACE_CONTAINER
from sitewright.contracts.records import SessionRecord, SiteEntry
from sitewright.contracts.steps import ExecutionInput
from sitewright.tables.commands import Commands
from sitewright.tables.sessions import Sessions
from sitewright.tables.spending import Spending
from sitewright.tables.table import Table
from tests.support.dynamodb_double import DynamoDB, DynamoDBClient, Item
from tests.support.lambdas.lambda_context import CONTEXT
from tests.support.lambdas.workspace_network import NETWORK
from tests.support.protocol.model_workspace import Workspace
from tests.support.protocol.state_machine import Execution, StepFunctions, refused
from tests.support.protocol.workspace_doubles import Killed, Lost, quiet

SITE = SiteEntry(
    client_id="amelia",
    state_machine_arn="arn:aws:states:us-west-2:123456789012:stateMachine:sitewright-amelia",
    site_url="http://edit.amelia.example.com",
    bucket="edit.amelia.example.com",
    artifacts_bucket="artifacts",
    deployments_table="deployments",
)


@dataclass
class World:
    """The whole simulation. `now` is in seconds."""

    now: float = 1_000_000.0
    idle_seconds: float = 20.0
    """The site's `idleSeconds`."""
    workspaces: list[Workspace] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    """Bodies on the queue, in the order of delivery."""
    delivered: list[str] = field(default_factory=list)
    events: list[Callable[[], None]] = field(default_factory=list)
    heard: list[Callable[[], None]] = field(default_factory=list)
    """Handled events. They can be delivered again, because the bus delivers at least once."""
    sent: dict[str, str] = field(default_factory=dict)
    """Responses by deduplication id."""
    commands: int = 0
    writes: list[tuple[str, str, int]] = field(default_factory=list)
    actor: Workspace | None = None
    fault: tuple[str, int, Callable[[], None]] | None = None
    """The fault's kind, the number of calls before it, and the action that happens meanwhile."""
    faults: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._number = 0
        self._newest = 0
        self.dynamodb = DynamoDB(interfere=self._interfere, wrote=self._session_written)
        self.client = DynamoDBClient(self.dynamodb)
        self.sfn = StepFunctions(
            lambda: self.now,
            self._offer,
            self._run_task,
            self._run_ended,
        )
        client: Any = self.client
        self.sessions = Sessions(Table(client, "sessions", BACKOFF, quiet))
        self.commands_table = Commands(Table(client, "commands", BACKOFF, quiet))
        self.spending = Spending(Table(client, "spending", BACKOFF, quiet))
        self.intake = Intake(
            sessions=self.sessions,
            commands=self.commands_table,
            runs=Runs(self.sfn, NETWORK),
            sites=SiteRegistry(SimpleNamespace(get=self._parameter)),
            budget=MonthlyBudget(self.spending),
            events=SimpleNamespace(put_events=self._not_started),
            sqs=SimpleNamespace(send_message=quiet),
            dead_letter_url="dlq",
            now=self.ms,
            log=quiet,
            sleep=quiet,
        )
        self.responder = Responder(
            sessions=self.sessions,
            commands=self.commands_table,
            spending=self.spending,
            sqs=SimpleNamespace(send_message=self._respond),
            queue_url="responses",
            wait=self._wait,
            now=self.ms,
            log=quiet,
        )

    def ms(self) -> int:
        return int(self.now * 1000)

    def number(self) -> int:
        self._number += 1
        return self._number

    # Actions of the schedule

    def send(self) -> None:
        self.commands += 1
        body = {
            "sessionId": "s",
            "commandId": f"c{self.commands}",
            "clientId": "amelia",
            "chatThreadId": "t",
            "instruction": "Edit",
        }
        self.inputs.append(json.dumps(body))

    def deliver(self, *, again: int | None = None) -> None:
        """Delivers the queue's next message to intake, or an earlier message again."""
        if again is not None:
            if self.delivered:
                self._function(lambda: self._take_in(self.delivered[again % len(self.delivered)]))
        elif self.inputs:
            body = self.inputs[0]
            # The fault's action may deliver the same message again.
            if self._function(lambda: self._take_in(body)) and body in self.inputs:
                self.inputs.remove(body)
                self.delivered.append(body)

    def _take_in(self, body: str) -> None:
        self.intake.handle(body, message_id="m", group="s", later=[])

    def event(self, which: int, *, again: bool = False) -> None:
        if again and self.heard:
            self._function(self.heard[which % len(self.heard)])
        elif self.events:
            event = self.events[which % len(self.events)]
            if self._function(event) and event in self.events:
                self.events.remove(event)
                self.heard.append(event)

    def sweep(self) -> None:
        self._function(lambda: Sweep(self.responder, self.sfn).run())

    def advance(self, run: int) -> None:
        due = [r for r in self.sfn.running if r.entering]
        if due:
            self.sfn.step(due[run % len(due)])

    def move(self, which: int, what: Callable[[Workspace], None] = Workspace.go) -> None:
        alive = [w for w in self.workspaces if w.phase != "gone" and not w.frozen]
        if not alive:
            return
        workspace = alive[which % len(alive)]
        if workspace is self.actor:
            return
        before, self.actor = self.actor, workspace
        try:
            what(workspace)
        except Killed:
            workspace.exit(137)
        finally:
            self.actor = before

    def kill(self, which: int) -> None:
        self.move(which, lambda w: w.exit(137))

    def freeze(self, which: int) -> None:
        self.move(which, lambda w: setattr(w, "frozen", True))

    def thaw(self) -> None:
        for workspace in self.workspaces:
            workspace.frozen = False

    def operator_stops(self) -> None:
        for run in self.sfn.running[-1:]:
            self.sfn.stop_execution(executionArn=run.arn, error="", cause="by hand")

    def passes(self, seconds: float) -> None:
        """Lets time pass, in pieces short enough for the claim and heartbeats of a live workspace."""
        while seconds > 0:
            piece = min(seconds, 4.0)
            seconds -= piece
            self.now += piece
            for index in range(len([w for w in self.workspaces if w.phase != "gone" and not w.frozen])):
                self.move(index, Workspace.tick)
            self.sfn.pass_time()

    # The services

    def _function(self, call: Callable[[], Any]) -> bool:
        """Invokes a Lambda function. Returns False if it died and its event comes back."""
        before, self.actor = self.actor, None
        try:
            with (
                patch.object(task_stopped, "sessions", lambda: self.sessions),
                patch.object(task_stopped, "client", lambda _: self.sfn),
            ):
                call()
        except (Killed, EndpointConnectionError):
            return False
        finally:
            self.actor = before
        return True

    def _interfere(self, call: Callable[[], Any]) -> Any:
        if self.fault is None:
            return call()
        kind, left, meanwhile = self.fault
        if left > 0:
            self.fault = (kind, left - 1, meanwhile)
            return call()
        self.fault = None
        self.faults[kind] = self.faults.get(kind, 0) + 1
        if kind == "killed before":
            raise Killed
        if kind == "meanwhile before":
            meanwhile()
        answer = call()
        if kind == "killed after":
            raise Killed
        if kind == "meanwhile after":
            meanwhile()
        if kind == "lost":
            meanwhile()
            raise Lost
        return answer

    def _session_written(self, table: str, old: Item, new: Item) -> None:
        if table != "sessions":
            return
        assert new.get("generation", 0) >= old.get("generation", 0)
        holder, alive = old.get("workspaceId"), old.get("aliveUntil")
        if new.get("workspaceId") not in {None, holder} and holder is not None:
            assert alive is None or alive < self.ms(), "the claim was taken from a workspace that lives"
        if new.get("checkpoint") != old.get("checkpoint"):
            assert self.actor is not None and holder == self.actor.id, "a checkpoint without the claim"
            self.wrote(self.actor, "checkpoint", self.actor.step_run.store.request.generation, saving=self.actor.saving)

    def wrote(self, workspace: Workspace, kind: str, generation: int, *, saving: bool) -> None:
        session = SessionRecord.from_item(self.dynamodb.tables["sessions"][("amelia#s",)])
        assert session.workspace_id == workspace.id, f"{kind} by a workspace that does not hold the claim"
        if not saving:
            assert generation >= self._newest, f"{kind} of generation {generation} after one of {self._newest}"
            self._newest = generation
        self.writes.append((workspace.id, kind, generation))

    def _offer(self, **request: Any) -> None:
        before, self.actor = self.actor, None
        try:
            self.client.update_item(**{**request, "TableName": "sessions"})
        except (Killed, EndpointConnectionError) as error:
            raise refused("SdkClientException") from error
        finally:
            self.actor = before

    def _run_task(self, arguments: dict[str, Any]) -> None:
        pairs = arguments["Overrides"]["ContainerOverrides"][0]["Environment"]
        environment = {pair["Name"]: pair["Value"] for pair in pairs}
        self.workspaces.append(Workspace(self, f"task-{len(self.workspaces)}", environment))

    def stopped(self, workspace: Workspace, code: int) -> None:
        env = [{"name": k, "value": v} for k, v in workspace.environment.items()]
        detail = {
            "taskArn": workspace.id,
            "stopCode": "EssentialContainerExited",
            "overrides": {"containerOverrides": [{"name": WORKSPACE_CONTAINER, "environment": env}]},
            "containers": [{"name": WORKSPACE_CONTAINER, "exitCode": code}],
        }
        self.events.append(lambda: task_stopped.handler({"detail": detail}, CONTEXT) and None)

    def _run_ended(self, run: Execution) -> None:
        ids, status, error, cause = ExecutionInput.model_validate(run.input), run.status, run.error, run.cause
        self.events.append(lambda: self.responder.run_ended(ids, status, error or None, cause))

    def _not_started(self, Entries: list[dict[str, str]]) -> dict[str, Any]:
        for entry in Entries:
            detail = CommandNotStarted.model_validate_json(entry["Detail"])
            self.events.append(lambda detail=detail: self.responder.not_started(detail))  # type: ignore[misc]
        return {}

    def _parameter(self, name: str, max_age: int) -> str:
        assert name == f"{SITE_PARAMETER_PREFIX}amelia"
        return SITE.to_json()

    def _respond(self, *, MessageBody: str, MessageDeduplicationId: str, **_: Any) -> None:
        known = self.sent.setdefault(MessageDeduplicationId, MessageBody)
        assert known == MessageBody, "two different answers to one command"

    def _wait(self, run: EndedRun) -> None:
        """Looks at saved work at any later time, as the state machine does, until the wait is over."""
        self.events.append(lambda: None if self.responder.saved_or_late(run) else self._wait(run))

    # The end

    def settle(self) -> None:
        """Completes everything under way: events, time limits, the sweep."""
        self.fault = None
        self.thaw()
        for round_ in range(2_000):
            while self.inputs:
                self.deliver()
            for _ in range(len(self.events)):
                self.event(0)
            for index in range(len(self.sfn.running)):
                self.advance(index)
            alive = [w for w in self.workspaces if w.phase != "gone"]
            for index in range(len(alive)):
                self.move(index)
                self.move(index, Workspace.pushes)
            if round_ % 30 == 29:
                self.sweep()
            if not (alive or self.events or self.sfn.running or self.unanswered):
                return
            self.passes(2.0 if alive else 30.0)
        raise AssertionError(f"no end: {self.describe()}")

    def spent(self) -> Decimal:
        """Returns the dollars counted in all months."""
        return sum((item["usd"] for item in self.dynamodb.tables["spending"].values()), Decimal(0))

    @property
    def unanswered(self) -> list[str]:
        return [i["commandId"] for i in self.dynamodb.tables["commands"].values() if "answeredAt" not in i]

    def describe(self) -> str:
        runs = [(r.arn[-14:], r.status, r.path) for r in self.sfn.executions.values()]
        alive = [(w.id, w.phase) for w in self.workspaces if w.phase != "gone"]
        return f"{runs} {alive} {self.dynamodb.tables['sessions']} unanswered {self.unanswered}"
