"""The local run whose calls and seconds are counted."""

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from sitewright.contracts.names import function_name
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack.service_startup import EmulatorProgram
from sitewright.local.stack_client import StackClient
from tools.bench.timed_command import CommandFailed, workspace_log
from tools.cost.bill import MessageCounts, count
from tools.cost.billed_calls import CALLS_FILE_VARIABLE, item_bytes, write_units
from tools.cost.metric_lines import metrics_in
from tools.temporary_stack import report, temporary_home, temporary_stack

Json = dict[str, Any]
SITES = {"warm": 300, "cold": 0}
IDLE_SECONDS = 20.0
SETTLE_SECONDS = 2.5
INSTRUCTION = 'Add a new heading saying "Cost {n}" to the homepage'


@dataclass(frozen=True)
class Measured:
    """The counts of a run."""

    first: MessageCounts
    following: MessageCounts
    alone: MessageCounts
    """Of a site with `idleSeconds` 0."""
    idle: MessageCounts
    sweep: MessageCounts
    alarms: int
    dashboards: int


@dataclass
class _Meter:
    client: StackClient
    home: Home
    file: Path

    def lines(self, begin: float, end: float) -> list[Json]:
        found = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [line for line in found if begin <= line["at"] < end]

    def counted(self, begin: float, end: float) -> MessageCounts:
        lines = self.lines(begin, end)
        found = count(lines, self._sizes(lines))
        logged = self._logged(begin, end)
        # An event's own 26 bytes are billed too.
        found.log_bytes = sum(len(line.encode()) + 26 for line in logged)
        found.metrics = metrics_in(logged)
        return found

    def message(self, site: str, session: str, text: str) -> MessageCounts:
        """One message's counts. Raises CommandFailed."""
        begin = time.time()
        sent = self.client.send(text, site, session)
        answer = self.client.response(sent, 300)
        if not answer["success"]:
            raise CommandFailed(f"{text!r} came to {answer['status']}: {answer['summary']}", f"Read {self.home.log}.")
        time.sleep(SETTLE_SECONDS)
        found = self.counted(begin, time.time())
        arn = self.client.execution_arn(sent)
        found.transitions = sum(name != "." for name, _ in self.client.steps(arn))
        found.steps, found.span = seconds(workspace_log(self.home, sent))
        return found

    def sweep(self) -> MessageCounts:
        """One call of the schedule."""
        name = function_name("respond")
        event = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}, "resources": []}
        begin = time.time()
        self.client.aws.functions.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        time.sleep(1)
        return self.counted(begin, time.time())

    def _sizes(self, lines: Sequence[Json]) -> dict[str, int]:
        """Write units of the items that were written without telling their size: as large as they became."""
        found = {}
        for line in lines:
            if key := line.get("key"):
                plain = {name: TypeDeserializer().deserialize(value) for name, value in key["key"].items()}
                item = self.client.aws.dynamodb.Table(key["table"]).get_item(Key=plain).get("Item", {})
                typed = {name: TypeSerializer().serialize(value) for name, value in item.items()}
                found[repr(key)] = write_units(item_bytes(typed))
        return found

    def _logged(self, begin: float, end: float) -> list[str]:
        logs, lines = self.client.aws.logs, []
        for group in logs.describe_log_groups()["logGroups"]:
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=group["logGroupName"], startTime=int(begin * 1000), endTime=int(end * 1000)
            )
            lines += [event["message"] for page in pages for event in page["events"]]
        return lines


def seconds(log: Sequence[Json]) -> tuple[list[float], float]:
    """Seconds of each step, and from the first one's beginning to the last one's end. Pure."""
    steps, began, ended = [], 0.0, 0.0
    start = 0.0
    for line in log:
        at = datetime.fromisoformat(line["time"]).timestamp()
        if line["message"] == "workspace ready":
            start = at - line["seconds"]
            began = began or start
        elif line["message"] == "step done":
            steps.append(at - start)
            ended = at
    return steps, ended - began


def measure(home: Home) -> Measured:
    """Runs a session of two messages, and a session with a task for each message, with filled caches of packages.

    Raises LocalError.
    """
    own = temporary_home(home, "cost")
    own.create()
    file = own.root / "calls.jsonl"
    file.unlink(missing_ok=True)
    idle = ",".join(f"{site}={seconds}" for site, seconds in SITES.items())
    emulator = EmulatorProgram("tools.cost.call_counter", {CALLS_FILE_VARIABLE: str(file)})
    with temporary_stack(own, tuple(SITES), {"SITEWRIGHT_IDLE_SECONDS": idle}, emulator) as info:
        meter = _Meter(StackClient(info), own, file)
        session = f"cost-{uuid.uuid4().hex[:8]}"
        meter.message("cold", f"{session}-fill", INSTRUCTION.format(n="fill"))
        report("a task that ends with its command")
        alone = meter.message("cold", f"{session}-alone", INSTRUCTION.format(n="alone"))
        meter.message("warm", f"{session}-fill-warm", INSTRUCTION.format(n="fill"))
        _stop_tasks(meter.client)
        report("the first message of a session")
        first = meter.message("warm", session, INSTRUCTION.format(n="first"))
        report("the following message")
        following = meter.message("warm", session, INSTRUCTION.format(n="following"))
        report("a workspace that waits")
        begin = time.time()
        time.sleep(IDLE_SECONDS)
        waiting = meter.counted(begin, begin + IDLE_SECONDS)
        waiting.span = IDLE_SECONDS
        _stop_tasks(meter.client)
        return Measured(
            first,
            following,
            alone,
            waiting,
            meter.sweep(),
            *(resources(own.cdk_out, kind) for kind in ("Alarm", "Dashboard")),
        )


def resources(assembly: Path, kind: str) -> int:
    """How many resources of CloudWatch the templates have."""
    templates = (json.loads(path.read_text()) for path in assembly.glob("*.template.json"))
    found = (one for template in templates for one in template["Resources"].values())
    return sum(one["Type"] == f"AWS::CloudWatch::{kind}" for one in found)


def _stop_tasks(client: StackClient) -> None:
    """Ends the waiting workspaces. Otherwise their refreshes would count as the next message's."""
    cluster = client.info["cluster"]
    for arn in client.aws.ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"]:
        client.aws.ecs.stop_task(cluster=cluster, task=arn)
    time.sleep(SETTLE_SECONDS * 2)
