"""The world of the intake Lambda: a site and its queue in moto, and tables in memory."""

import json
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters import SSMProvider

from lambdas.common import platform_tables
from lambdas.intake.acceptance import accept_command
from lambdas.intake.command_intake import Intake
from lambdas.intake.later_commands import LaterCommand, later_commands
from lambdas.intake.monthly_budget import MonthlyBudget
from lambdas.intake.runs import Runs
from lambdas.intake.site_registry import SiteRegistry
from sitewright.contracts.messages import Command
from sitewright.contracts.names import execution_name
from sitewright.contracts.records import SiteEntry
from sitewright.tables.keys import CommandRef
from tests.support.dynamodb_double import StoredTable
from tests.support.lambdas.platform_tables import REGION, make_fifo, use_double
from tests.support.lambdas.workspace_network import NETWORK

NOW = 1_760_000_000_000


class World:
    """Everything that intake uses, and its events to EventBridge."""

    def __init__(self, aws: pytest.MonkeyPatch) -> None:
        self.dynamodb = use_double(aws)
        self.sessions = StoredTable(self.dynamodb, "sessions")
        self.commands = StoredTable(self.dynamodb, "commands")
        self.sfn = boto3.client("stepfunctions", REGION)
        self.ssm = boto3.client("ssm", REGION)
        self.machine = self.add_site("amelia")
        self.sqs = boto3.client("sqs", REGION)
        self.dead = make_fifo("dead")
        aws.setenv("INPUT_DLQ_URL", self.dead)
        aws.setenv("WORKSPACE_SUBNETS", ",".join(NETWORK.subnets))
        aws.setenv("WORKSPACE_SECURITY_GROUP", NETWORK.security_group)
        aws.setenv("INPUT_QUEUE_URL", "https://sqs/input.fifo")
        self.told: list[dict[str, Any]] = []
        self.intake = Intake(
            sessions=platform_tables.sessions(),
            commands=platform_tables.commands(),
            runs=Runs(self.sfn, NETWORK),
            sites=SiteRegistry(SSMProvider(boto3_client=self.ssm)),
            budget=MonthlyBudget(platform_tables.spending()),
            events=self,
            sqs=self.sqs,
            dead_letter_url=self.dead,
            now=lambda: NOW,
            log=lambda *_, **__: None,
            sleep=lambda _: None,
        )

    def add_site(self, client_id: str, **more: Any) -> str:
        """Registers a site. Returns the ARN of its state machine."""
        machine = self.sfn.create_state_machine(
            name=f"sitewright-{client_id}",
            definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 60, "End": True}}}),
            roleArn="arn:aws:iam::123456789012:role/x",
        )["stateMachineArn"]
        entry = SiteEntry(
            client_id=client_id,
            state_machine_arn=machine,
            site_url="http://site",
            bucket=f"edit.{client_id}.x",
            artifacts_bucket="artifacts",
            deployments_table="deployments",
            **more,
        )
        self.ssm.put_parameter(Name=f"/sitewright/sites/{client_id}", Value=entry.to_json(), Type="String")
        return str(machine)

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, int]:
        self.told += [json.loads(entry["Detail"]) for entry in Entries]
        return {"FailedEntryCount": 0}

    def take(self, body: Any, later: list[LaterCommand] | None = None, arrived: int | None = None) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.intake.handle(text, message_id="m-1", group="g", later=later or [], arrived=arrived)

    @staticmethod
    def _command(name: str, sent: dict[str, int]) -> dict[str, Any]:
        return command(name, **({"sentAt": sent[name]} if name in sent else {}))

    def batch(self, *messages: str | dict[str, Any], **sent: int) -> None:
        """Takes messages of one batch. A text is the id of a command; `sent` are the times at which some were sent."""
        bodies = [json.dumps(self._command(each, sent) if isinstance(each, str) else each) for each in messages]
        for body, later in zip(bodies, later_commands([(body, None) for body in bodies]), strict=True):
            self.take(body, later)

    def accept(self, name: str) -> None:
        """Writes the state of a command whose intake died right after the acceptance."""
        site = self.intake.sites.find("amelia")
        assert site
        accept_command(self.intake.sessions, self.intake.commands, Command.model_validate(command(name)), site, now=1)

    def record(self, name: str) -> dict[str, Any]:
        return self.commands.read("amelia#s", name)

    def buried(self) -> list[dict[str, Any]]:
        got = self.sqs.receive_message(QueueUrl=self.dead, MessageAttributeNames=["All"], MaxNumberOfMessages=10)
        return list(got.get("Messages", []))

    def status(self, command: str, session: str = "s", client: str = "amelia") -> str:
        machine = self.machine.replace("amelia", client)
        arn = machine.replace(":stateMachine:", ":execution:") + ":" + execution_name(session, command)
        try:
            return str(self.sfn.describe_execution(executionArn=arn)["status"])
        except self.sfn.exceptions.ExecutionDoesNotExist:
            return "NONE"

    def input(self, command: str) -> dict[str, Any]:
        """Returns the input of a command's run."""
        arn = self.machine.replace(":stateMachine:", ":execution:") + ":" + execution_name("s", command)
        return dict(json.loads(self.sfn.describe_execution(executionArn=arn)["input"]))

    def answer(self, name: str) -> None:
        """Marks a command as answered."""
        self.intake.commands.mark_answered(CommandRef("amelia", "s", name), 1_760_000_000_000)

    def generation(self) -> int:
        return int(self.sessions.read("amelia#s")["generation"])


@pytest.fixture(name="world")
def world_fixture(aws: pytest.MonkeyPatch) -> World:
    return World(aws)


def preparation(name: str) -> dict[str, Any]:
    """Returns a message that only prepares the session's workspace."""
    return {"sessionId": "s", "commandId": name, "clientId": "amelia", "chatThreadId": "t", "prepare": True}


def command(name: str, **changes: Any) -> dict[str, Any]:
    base = {"sessionId": "s", "commandId": name, "clientId": "amelia", "chatThreadId": "t", "instruction": "x"}
    return {**base, **changes}
