"""Accepts a command, stops the session's older run, starts the new one.

Each part may be repeated, because SQS delivers at least once.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lambdas.intake.acceptance import SessionMismatch, accept_command, rejected_record
from lambdas.intake.dead_letter import dead_letter
from lambdas.intake.later_commands import LaterCommand
from lambdas.intake.message_age import age_refusal, is_too_old, sent_at
from lambdas.intake.monthly_budget import MonthlyBudget
from lambdas.intake.parse import Rejected, Unreadable, parse
from lambdas.intake.runs import Runs
from lambdas.intake.site_registry import SiteRegistry
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.events import CommandNotStarted
from sitewright.contracts.messages import Command, ResponseStatus
from sitewright.contracts.names import EVENT_SOURCE, NOT_STARTED
from sitewright.contracts.records import CommandRecord
from sitewright.tables.commands import Commands
from sitewright.tables.keys import CommandIds, CommandRef
from sitewright.tables.sessions import Sessions


@dataclass(frozen=True)
class Intake:
    """The logic of one function instance. `events` and `sqs` are boto3's clients, `now` gives milliseconds."""

    sessions: Sessions
    commands: Commands
    runs: Runs
    sites: SiteRegistry
    budget: MonthlyBudget
    events: Any
    sqs: Any
    dead_letter_url: str
    now: Callable[[], int]
    log: Callable[..., None]
    sleep: Callable[[float], None] = time.sleep

    def handle(
        self, body: str, *, message_id: str, group: str, later: list[LaterCommand], arrived: int | None = None
    ) -> None:
        """Handles one message. After any exception the queue delivers the message again.

        Args:
            body: the message.
            message_id: the message's SQS id.
            group: the message's group.
            later: the session's commands that follow in the same batch, newest first. If one of them is really newer, this
                command never starts.
            arrived: when SQS got the message (ms).
        """
        parsed = parse(body)
        if isinstance(parsed, Unreadable):
            self._send_dead_letter(body, parsed.reason, message_id, group)
        elif isinstance(parsed, Rejected):
            self._reject(parsed, parsed.error)
        else:
            self._accept(parsed, later, sent_at(parsed.sent_at, arrived))

    def _accept(self, command: Command, later: list[LaterCommand], sent: int | None) -> None:
        site = self.sites.find(command.client_id)
        if site is None:
            message = f"clientId: there is no site {command.client_id!r}"
            self._reject(command, ErrorInfo.of(ErrorCode.UNKNOWN_CLIENT, message))
            return
        refusal = age_refusal(site, sent, self.now()) or self.budget.refusal(site, self.now())
        # A command that was accepted before goes on: its message is only delivered again.
        if refusal and self.commands.read(command) is None:
            self._reject(command, refusal)
            return
        if command.prepare and self._is_at_work(command):
            message = "prepare: the session is at work, or was prepared a moment ago"
            self._reject(command, ErrorInfo.of(ErrorCode.NOTHING_TO_PREPARE, message))
            return
        try:
            record, new = accept_command(self.sessions, self.commands, command, site, now=self.now(), sleep=self.sleep)
        except SessionMismatch as mismatch:
            known = mismatch.session
            message = f"session {known.session_id} belongs to chatThreadId {known.chat_thread_id!r}"
            self._reject(command, ErrorInfo.of(ErrorCode.SESSION_MISMATCH, message))
            return
        ids = _named(record)
        if record.rejection or record.response or record.answered_at:
            self.log("duplicate of a finished command", **ids)
            return
        if not new:
            self.log("replay", **ids)
        for older in self.commands.open_before(record, record.generation):
            self._stop(CommandRef.beside(record, older), record.command_id)
        # One that will be rejected for its age supersedes nothing.
        candidates = [each.command_id for each in later if not is_too_old(site, each.sent_at, self.now())]
        superseded_by = self._superseded_by(record, candidates)
        if superseded_by:
            self._stop(record, superseded_by)
        elif self.runs.start(site.state_machine_arn, record):
            self.log("started", **ids, generation=record.generation)

    def _is_at_work(self, command: Command) -> bool:
        """Tells whether another command of the session has no response yet. A preparation must not interrupt it."""
        session = self.sessions.read(command)
        if session is None or session.command_id in {None, command.command_id}:
            return False
        current = self.commands.read(CommandRef.beside(command, session.command_id))
        return current is not None and current.response is None and current.answered_at is None

    def _superseded_by(self, record: CommandRecord, later: list[str]) -> str | None:
        # A superseded command stays superseded, because its response may be on the way.
        if record.superseded_by:
            return record.superseded_by
        session = self.sessions.read(record)
        if session and session.generation > record.generation and session.command_id != record.command_id:
            return session.command_id
        return self._newest_after(record, later)

    def _newest_after(self, record: CommandRecord, candidates: list[str]) -> str | None:
        """Returns the first candidate (newest first) that is really newer than the record.

        A newer command is unknown yet, or was accepted later. The queue delivers at least once, so a later message of the
        batch may be an old command.
        """
        for command_id in candidates:
            known = self.commands.read(CommandRef.beside(record, command_id))
            if known is None or (known.rejection is None and known.generation > record.generation):
                return command_id
        return None

    def _stop(self, ids: CommandIds, by: str) -> None:
        """Ends an older command: stops its run. Without a run, makes `respond` answer the command."""
        record = self.commands.supersede(ids, by)
        if record is None or record.execution_arn is None:
            return
        if self.runs.stop(record.execution_arn, by):
            self.log("stopped", **_named(ids), supersededBy=by)
            return
        self._publish_event(
            CommandNotStarted(
                client_id=ids.client_id,
                session_id=ids.session_id,
                command_id=ids.command_id,
                status=ResponseStatus.INTERRUPTED,
                superseded_by=record.superseded_by,
            )
        )

    def _reject(self, message: CommandIds, error: ErrorInfo) -> None:
        record = rejected_record(message, error, self.now())
        ids = _named(record)
        if not self.commands.reject(record):
            self.log("a rejected message whose id is answered or another command's", **ids)
            return
        self.log("rejected", **ids, error=error.message)
        self._publish_event(
            CommandNotStarted(
                client_id=record.client_id,
                session_id=record.session_id,
                command_id=record.command_id,
                status=ResponseStatus.REJECTED,
                error=error,
            )
        )

    def _publish_event(self, event: CommandNotStarted) -> None:
        answer = self.events.put_events(
            Entries=[{"Source": EVENT_SOURCE, "DetailType": NOT_STARTED, "Detail": event.to_json()}]
        )
        if answer.get("FailedEntryCount"):
            raise RuntimeError(f"EventBridge refused the event: {json.dumps(answer.get('Entries'))[:500]}")

    def _send_dead_letter(self, body: str, reason: str, message_id: str, group: str) -> None:
        letter = dead_letter(body, reason)
        self.sqs.send_message(
            QueueUrl=self.dead_letter_url,
            MessageBody=letter.body,
            MessageGroupId=group,
            MessageDeduplicationId=message_id,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": letter.reason}},
        )
        self.log("to the dead-letter queue", messageId=message_id, reason=letter.reason)


def _named(ids: CommandIds) -> dict[str, str | None]:
    return {"clientId": ids.client_id, "sessionId": ids.session_id, "commandId": ids.command_id}
