"""Sends commands to the local stack and follows their runs, for the command line and the demo."""

import hashlib
import json
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sitewright.contracts.error_codes import ALLOWABLE
from sitewright.contracts.messages import OpaqueId
from sitewright.contracts.names import execution_name
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.storable_ids import storable_id
from sitewright.local.aws_clients import Aws
from sitewright.local.errors import BadSetting
from sitewright.retry import Backoff
from sitewright.tables.commands import Commands
from sitewright.tables.keys import client_session
from sitewright.tables.table import Table

Json = dict[str, Any]
FINAL_STATUSES = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}
DECISION_STATES = {"IsPreparation", "Prepared", "HasChanges", "IsPublished", "HasRepaired", "TryAgain", "Done"}
"""States without work: they take no time."""

BOTO3_RETRIES_ONLY = Backoff(seconds=0, first=1, longest=1)
"""No repetition beyond boto3's own: the local stack throttles nothing."""


@dataclass(frozen=True)
class SentCommand:
    """The ids of a command that was sent."""

    session_id: str
    command_id: str
    client_id: str
    chat_thread_id: str


def chat_thread_of(session: str) -> str:
    """Derives a chatThreadId from a session: valid in a branch name, and unique for the session."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", session)
    if plain == session and len(session) <= 90:
        return f"of-{session}"
    return f"of-{plain[:80]}-{hashlib.sha256(session.encode()).hexdigest()[:8]}"


def _check_id(option: str, value: str | None) -> None:
    try:
        TypeAdapter(OpaqueId | None).validate_python(value)
    except ValidationError as error:
        remedy = "An id begins with a letter or digit and has 1 to 128 of letters, digits and _.:@+=-."
        raise BadSetting(f"{option} {value!r} cannot be an id.", remedy) from error


class StackClient:
    """A user of the stack that `stack.json` describes."""

    def __init__(self, info: Json) -> None:
        self.info = info
        self.aws = Aws(info["endpoint_url"], info["region"])

    def site(self, client_id: str) -> Json:
        """The site's entry. Raises BadSetting."""
        for site in self.info["sites"]:
            if site["client_id"] == client_id:
                found: Json = site
                return found
        raise BadSetting(f"There is no site {client_id!r}.", f"Add it with `sitewright up --client {client_id}`.")

    def send(  # noqa: PLR0917 - the fields of one message
        self,
        text: str,
        client_id: str,
        session: str | None,
        thread: str | None = None,
        command: str | None = None,
        allow: Sequence[str] = (),
    ) -> SentCommand:
        """Puts a command on the input queue; ids that are left out are made up.

        Raises BadSetting for an unknown site, for ids that are not valid, and for a code in `allow` that is none.
        """
        if unknown := [code for code in allow if code not in set(ALLOWABLE)]:
            raise BadSetting(
                f"--allow {unknown[0]!r} is no refusal of a publish.", f"Name one of {', '.join(ALLOWABLE)}."
            )
        what = {"instruction": text, **({"allow": list(allow)} if allow else {})}
        return self._send(what, client_id, session, thread, command)

    def prepare(self, client_id: str, session: str | None, thread: str | None = None) -> SentCommand:
        """Has the session's workspace made ready for its first instruction. Raises BadSetting."""
        return self._send({"prepare": True}, client_id, session, thread, None)

    def _send(
        self, what: Json, client_id: str, session: str | None, thread: str | None, command: str | None
    ) -> SentCommand:
        self.site(client_id)
        for option, value in (("--session", session), ("--command-id", command)):
            _check_id(option, value)
        session = session or f"session-{uuid.uuid4().hex[:8]}"
        sent = SentCommand(
            session, command or f"cmd-{uuid.uuid4().hex[:8]}", client_id, thread or chat_thread_of(session)
        )
        body = {
            "sessionId": sent.session_id,
            "commandId": sent.command_id,
            "clientId": client_id,
            "chatThreadId": sent.chat_thread_id,
            "sentAt": int(time.time() * 1000),
            **what,
        }
        self.aws.sqs.send_message(
            QueueUrl=self.info["input_queue_url"],
            MessageBody=json.dumps(body),
            MessageGroupId=storable_id(client_session(sent)),
            MessageDeduplicationId=sent.command_id,
        )
        return sent

    def record(self, sent: SentCommand) -> CommandRecord | None:
        """The command's record, once it is accepted."""
        table = Table(self.aws.dynamodb_client, self.info["tables"]["commands"], BOTO3_RETRIES_ONLY)
        return Commands(table).read(sent)

    def response(self, sent: SentCommand, seconds: float, *, every: float = 0.15) -> Json:
        """Waits for the response in the command's record; the response queue belongs to its consumer.

        Reads every `every` seconds, for `seconds` at most. Raises TimeoutError.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            record = self.record(sent)
            if record and record.response and record.answered_at:
                answer: Json = json.loads(record.response.to_json())
                return answer
            time.sleep(every)
        raise TimeoutError(f"no response to {sent.command_id} within {seconds:.0f} s")

    def execution_arn(self, sent: SentCommand) -> str:
        """The ARN of a command's run, also before it has started."""
        machine: str = self.site(sent.client_id)["state_machine_arn"].replace(":stateMachine:", ":execution:")
        return f"{machine}:{execution_name(sent.session_id, sent.command_id)}"

    def runs(self, limit: int = 20) -> list[Json]:
        """The newest runs of every site."""
        found = []
        for site in self.info["sites"]:
            for run in self.aws.sfn.list_executions(stateMachineArn=site["state_machine_arn"], maxResults=limit)[
                "executions"
            ]:
                stop = run.get("stopDate")
                found.append(
                    {
                        "client": site["client_id"],
                        "run": run["name"],
                        "status": run["status"],
                        "started": run["startDate"].isoformat(),
                        "seconds": round((stop - run["startDate"]).total_seconds(), 1) if stop else None,
                        "arn": run["executionArn"],
                    }
                )
        return sorted(found, key=lambda run: str(run["started"]), reverse=True)[:limit]

    def steps(self, arn: str) -> list[tuple[str, float]]:
        """(state, seconds since the epoch at which it was entered), in order; the end is a last entry `.`."""
        try:
            events = self.aws.sfn.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        except self.aws.sfn.exceptions.ExecutionDoesNotExist:
            return []
        found = [
            (e["stateEnteredEventDetails"]["name"], e["timestamp"].timestamp())
            for e in events
            if "stateEnteredEventDetails" in e
        ]
        ended = [
            e for e in events if e["type"] in {f"Execution{s}" for s in ("Succeeded", "Failed", "TimedOut", "Aborted")}
        ]
        return [*found, (".", ended[0]["timestamp"].timestamp())] if ended else found

    def follow(self, arn: str, seconds: float) -> Iterator[tuple[str, float]]:
        """Yields each state with its seconds when it has ended, until the run ends or `seconds` are over."""
        deadline, shown = time.monotonic() + seconds, 0
        while time.monotonic() < deadline:
            steps = self.steps(arn)
            for (name, start), (_, end) in list(pairwise(steps))[shown:]:
                yield name, end - start
                shown += 1
            if steps and steps[-1][0] == ".":
                return
            time.sleep(0.2)
