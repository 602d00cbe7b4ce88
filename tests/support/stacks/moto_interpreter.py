"""Runs a state machine in moto's interpreter, with moto's DynamoDB, ECS and Lambda as its integrations.

Beside `tests/support/stacks/asl.py` and the emulator it is a third reading of the language. It writes the offer into a real
table, so the condition of the offer is evaluated too, and reads the task token out of the item and of the override of RunTask.
The workspace and the functions are scripted.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from unittest.mock import patch
from zipfile import ZipFile

import boto3
from moto import mock_aws
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.stepfunctions.parser.api import InvalidToken

from sitewright.contracts.steps import StepEnv
from tests.support.stacks.asl import Json, Run, StatesError
from tests.support.stacks.moto_gaps import backend, gaps_filled
from tests.support.stacks.synthesized_templates import REGION
from tests.support.stacks.workflow_parts import PARTS

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
LIVE_SECONDS = 3600
PATIENCE_SECONDS = 30


@dataclass
class Script:
    """What the workspace and the functions answer: for each step or function its outcomes, the last one repeated."""

    outcomes: dict[str, list[Any]]
    given: dict[str, int] = field(default_factory=dict)

    def next(self, name: str) -> Any:
        """Returns the outcome of the next attempt."""
        number = self.given.get(name, 0)
        self.given[name] = number + 1
        return self.outcomes[name][min(number, len(self.outcomes[name]) - 1)]


class MotoAccount:
    """An account with the table, the cluster and the functions of PARTS."""

    def __init__(self) -> None:
        self.sfn, self.ecs, self.dynamodb, iam, functions = (
            boto3.client(name, region_name=REGION) for name in ("stepfunctions", "ecs", "dynamodb", "iam", "lambda")
        )
        role = iam.create_role(RoleName="role", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        archive = BytesIO()
        with ZipFile(archive, "w") as made:
            made.writestr("handler.py", "")
        for arn in (PARTS.commit_message_arn, PARTS.record_sync_arn):
            functions.create_function(
                FunctionName=arn.split(":")[-1],
                Role=role,
                Runtime="python3.13",
                Handler="handler.handler",
                Code={"ZipFile": archive.getvalue()},
            )
        self.dynamodb.create_table(
            TableName=PARTS.sessions_table,
            KeySchema=[{"AttributeName": "clientSession", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "clientSession", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.cluster = PARTS.cluster_arn.split("/")[-1]
        self.ecs.create_cluster(clusterName=self.cluster)
        self.ecs.register_task_definition(
            family=PARTS.task_family, containerDefinitions=[{"name": "workspace", "image": "i", "memory": 512}]
        )
        self.role = role
        self.runs = 0
        self.machines: dict[str, str] = {}
        self.done: set[str] = set()

    def run(self, machine: Json, values: Json, script: Script, *, warm: bool, stays: bool) -> Run:
        """Runs the machine to its end. `warm`: a workspace lives already. `stays`: a started one lives on after its step."""
        self.session(values, alive=warm)
        self.runs += 1
        execution = self.sfn.start_execution(
            stateMachineArn=self._machine(json.dumps(machine)), name=f"run-{self.runs}", input=json.dumps(values)
        )["executionArn"]
        workspace = Workspace(self, values, script, stays)
        with patch.object(LambdaSimpleBackend, "invoke", _functions(script)):
            return self._ended(execution, workspace)

    def _machine(self, text: str) -> str:
        # moto takes a fifth of a second to read a definition.
        if text not in self.machines:
            name = f"machine-{len(self.machines)}"
            made = self.sfn.create_state_machine(name=name, definition=text, roleArn=self.role)
            self.machines[text] = made["stateMachineArn"]
        return self.machines[text]

    def session(self, values: Json, *, alive: bool) -> None:
        """Puts the session's item, with or without a live claim."""
        until = int((time.time() + (LIVE_SECONDS if alive else -1)) * 1000)
        self.dynamodb.put_item(
            TableName=PARTS.sessions_table,
            Item={
                "clientSession": {"S": f"{values['clientId']}#{values['sessionId']}"},
                "generation": {"N": str(values["generation"])},
                "aliveUntil": {"N": str(until)},
            },
        )

    def _ended(self, execution: str, workspace: "Workspace") -> Run:
        patience = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < patience:
            found = self.sfn.describe_execution(executionArn=execution)
            if found["status"] != "RUNNING":
                history = self.sfn.get_execution_history(executionArn=execution)["events"]
                return Run(
                    status=found["status"],
                    output=json.loads(found["output"]) if "output" in found else None,
                    error=found.get("error"),
                    cause=found.get("cause"),
                    path=[e["stateEnteredEventDetails"]["name"] for e in history if "stateEnteredEventDetails" in e],
                )
            workspace.work()
            time.sleep(0.03)
        raise AssertionError(f"the run has not ended after {PATIENCE_SECONDS} s")


@dataclass
class Workspace:
    """Takes the steps from the mailbox and from the tasks that were started, and reports their scripted outcomes."""

    account: MotoAccount
    values: Json
    script: Script
    stays: bool

    def work(self) -> None:
        """Does the steps that wait."""
        for step, token in (*self._mail(), *self._started()):
            if token in self.account.done:
                continue
            self.account.done.add(token)
            outcome = self.script.next(step.capitalize())
            _beat(token)
            if isinstance(outcome, StatesError):
                backend().send_task_failure(token, str(outcome.error), outcome.cause)
            else:
                backend().send_task_success(token, json.dumps(outcome))

    def _mail(self) -> Iterator[tuple[str, str]]:
        item = self.account.dynamodb.get_item(
            TableName=PARTS.sessions_table,
            Key={"clientSession": {"S": f"{self.values['clientId']}#{self.values['sessionId']}"}},
        )["Item"]
        if mail := item.get("mailbox"):
            yield mail["M"]["step"]["S"], mail["M"]["taskToken"]["S"]

    def _started(self) -> Iterator[tuple[str, str]]:
        ecs, cluster = self.account.ecs, self.account.cluster
        if not (arns := ecs.list_tasks(cluster=cluster)["taskArns"]):
            return
        for task in ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]:
            (override,) = task["overrides"]["containerOverrides"]
            environment = {pair["name"]: pair["value"] for pair in override["environment"]}
            if environment[StepEnv.TASK_TOKEN] in self.account.done:
                continue
            if self.stays:
                self.account.session(self.values, alive=True)
            yield environment[StepEnv.STEP], environment[StepEnv.TASK_TOKEN]


def _beat(token: str) -> None:
    """Waits until the state waits: moto forgets a report that comes before."""
    patience = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < patience:
        try:
            return backend().send_task_heartbeat(token)
        except InvalidToken:
            time.sleep(0.001)
    raise AssertionError("no state waits for this token")


def _functions(script: Script) -> Any:
    names = {PARTS.commit_message_arn: "WriteCommitMessage", PARTS.record_sync_arn: "RecordSync"}

    def invoke(
        backend: Any, function_name: str, qualifier: Any, body: Any, headers: Any, response_headers: dict[str, str]
    ) -> bytes:
        outcome = script.next(names[function_name])
        if isinstance(outcome, StatesError):
            response_headers["x-amz-function-error"] = "Unhandled"
            return outcome.cause.encode()
        return json.dumps(outcome).encode()

    return invoke


@contextmanager
def moto_account() -> Iterator[MotoAccount]:
    """An account in moto whose state machines run, with JSONata's reference implementation."""
    config: Any = {"lambda": {"use_docker": False}, "stepfunctions": {"execute_state_machine": True}}
    with mock_aws(config=config), gaps_filled():
        yield MotoAccount()
