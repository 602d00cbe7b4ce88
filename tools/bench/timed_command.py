"""Sends one command through the stack and measures its parts."""

import json
import time
from datetime import datetime
from itertools import pairwise
from typing import Any

from sitewright.local.errors import LocalError
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack_client import SentCommand, StackClient
from tools.bench.time_breakdown import Step, parts

Json = dict[str, Any]


class CommandFailed(LocalError):
    """A command of the benchmark was not carried out."""


def command(
    client: StackClient, home: Home, site: str, instruction: str, session: str, *, command_id: str | None = None
) -> tuple[float, Json]:
    """Seconds from sending to the answer, and its parts. Raises CommandFailed."""
    began = time.time()
    sent = client.send(instruction, site, session, command=command_id)
    # When it was answered is in the record; to look more often would take time from the build that is measured.
    answer = client.response(sent, 300, every=1.0)
    if not answer["success"] or not answer["filesChanged"]:
        raise CommandFailed(f"{instruction!r} came to {answer['status']}: {answer['summary']}", f"Read {home.log}.")
    record = client.record(sent)
    answered = (record.answered_at or 0) / 1000 if record else 0.0
    run = client.aws.sfn.describe_execution(executionArn=client.execution_arn(sent))
    ended = run["stopDate"].timestamp()
    log = workspace_log(home, sent)
    found = parts(
        sent=began,
        answered=answered,
        began=run["startDate"].timestamp(),
        ended=ended,
        steps=_states(client, sent),
        log=log,
    )
    return answered - began, found


def _states(client: StackClient, sent: SentCommand) -> list[Step]:
    found: list[Step] = []
    for (state, entered), (_, left) in pairwise(client.steps(client.execution_arn(sent))):
        if found and state == f"{found[-1][0]}InNewWorkspace":
            # A refused offer and the start of a container are one step.
            found[-1] = (found[-1][0], found[-1][1], left)
        else:
            found.append((state, entered, left))
    return found


def workspace_log(home: Home, sent: SentCommand) -> list[Json]:
    """The lines of a command's workspaces, in the order of time."""
    found: list[Json] = []
    for path in home.task_logs.glob("*.log"):
        text = path.read_text(encoding="utf-8", errors="replace")
        if sent.command_id in text:
            found += [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    lines = [line for line in found if line.get("commandId") == sent.command_id]
    return sorted(lines, key=lambda line: datetime.fromisoformat(line["time"]))
