"""The world of the respond Lambda: tables in memory, a queue, and executions scripted by the test."""

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from lambdas.common import platform_tables
from lambdas.respond.responder import Responder
from lambdas.respond.sweep import Sweep
from sitewright.contracts.events import EndedRun
from sitewright.contracts.names import ANSWER_MACHINE, execution_name
from sitewright.contracts.records import CommandRecord, SessionRecord
from sitewright.contracts.steps import AgentResult, BuildResult, PushResult, SyncResult
from sitewright.tables.commands import item
from sitewright.tables.keys import CommandRef, session_key
from tests.support.dynamodb_double import StoredTable
from tests.support.lambdas.platform_tables import MACHINE, NOW, REGION, make_fifo, use_double

ACCEPTED = NOW - 200_000
PARTS: dict[str, Any] = {
    "agent": AgentResult(summary="Did it.", files_changed=["a"], files_changed_count=1, cost_usd=0.1),
    "build": BuildResult(commit="abc", build_success=True, deploy_success=True, deployment_id="d"),
    "sync": SyncResult(deployment_id="d", files=1, bytes=1),
    "push": PushResult(commit="abc", branch="thread-t", pushed=True),
}


class Crash(Exception):
    """The function is killed here."""


class World:
    """Everything that respond uses, with a clock that the test sets."""

    def __init__(self, aws: pytest.MonkeyPatch) -> None:
        self.dynamodb = use_double(aws)
        self.sessions = StoredTable(self.dynamodb, "sessions")
        self.commands = StoredTable(self.dynamodb, "commands")
        self.queue = make_fifo("response")
        aws.setenv("RESPONSE_QUEUE_URL", self.queue)
        aws.setenv("ANSWER_MACHINE_ARN", f"{MACHINE.rpartition(':')[0]}:{ANSWER_MACHINE}")
        self.sqs = boto3.client("sqs", REGION)
        self.runs: dict[str, dict[str, Any]] = {}
        self.time = NOW
        self.logged: list[str] = []
        self.sent: list[tuple[str, str]] = []
        self.waits: list[EndedRun] = []
        self.responder = Responder(
            sessions=platform_tables.sessions(),
            commands=platform_tables.commands(),
            spending=platform_tables.spending(),
            sqs=self,
            queue_url=self.queue,
            wait=self.waits.append,
            now=lambda: self.time,
            log=lambda message, **_: self.logged.append(message),
        )

    def sweep(self) -> int:
        return Sweep(self.responder, self).run()

    def look(self) -> bool:
        """Lets respond look at the newest wait. Returns whether that is over."""
        return self.responder.saved_or_late(self.waits[-1])

    def send_message(self, **message: Any) -> Any:
        self.sent.append((message["MessageDeduplicationId"], message["MessageBody"]))
        return self.sqs.send_message(**message)

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        found = self.runs.get(executionArn)
        if found is None:
            raise boto3.client("stepfunctions", REGION).exceptions.ExecutionDoesNotExist(
                {"Error": {"Code": "ExecutionDoesNotExist", "Message": ""}}, "DescribeExecution"
            )
        return found

    def put(self, name: str = "c1", **parts: Any) -> CommandRecord:
        base: dict[str, Any] = {
            "client_id": "amelia",
            "session_id": "s",
            "command_id": name,
            "generation": 1,
            "accepted_at": ACCEPTED,
            "site_url": "http://site",
            "execution_arn": arn(name),
            "open": "open",
        }
        record = CommandRecord.model_validate({**base, **parts})
        self.commands.put(item(record))
        return record

    def session(self, **parts: Any) -> None:
        record = SessionRecord.model_validate(
            {"session_id": "s", "client_id": "amelia", "chat_thread_id": "t", "generation": 1, **parts}
        )
        self.sessions.put({**record.to_item(), **session_key(record)})

    def ended(self, name: str, status: str, **more: Any) -> None:
        self.runs[arn(name)] = {"status": status, "stopDate": datetime.fromtimestamp(ACCEPTED / 1000, UTC), **more}

    def run_ended(self, status: str, error: str | None = None, cause: str | None = None, name: str = "c1") -> None:
        self.responder.run_ended(CommandRef("amelia", "s", name), status, error, cause)

    def record(self, name: str = "c1") -> dict[str, Any]:
        return self.commands.read("amelia#s", name)

    def responses(self) -> list[dict[str, Any]]:
        """Returns the responses sent since the previous call."""
        found: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def the_response(self) -> dict[str, Any]:
        (response,) = self.responses()
        return response


def arn(name: str) -> str:
    return f"{MACHINE.replace(':stateMachine:', ':execution:')}:{execution_name('s', name)}"


@pytest.fixture(name="world")
def world_fixture(aws: pytest.MonkeyPatch) -> World:
    return World(aws)
