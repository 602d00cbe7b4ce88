"""Sends exactly one response a command: records it, sends it, marks the command as answered.

The response is recorded before it is sent, on the condition that none is recorded yet. So every repetition sends the same
response. docs/decisions/09-responses-at-least-once.md describes the only case in which a client gets it twice.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lambdas.respond.outcome import Outcome, build_response, of_execution
from sitewright.contracts.events import CommandNotStarted, EndedRun
from sitewright.contracts.messages import Response, ResponseStatus
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.storable_ids import storable_id
from sitewright.tables.answer_transaction import record_answer
from sitewright.tables.commands import Commands
from sitewright.tables.keys import CommandIds, client_session
from sitewright.tables.sessions import Sessions
from sitewright.tables.spending import Spending

SAVE_SECONDS = 25
"""How long the response waits for an interrupted command's workspace to save its work. Then it goes without the commit."""


@dataclass(frozen=True)
class Responder:
    """The logic of one function instance. `sqs` is boto3's client, `now` gives milliseconds."""

    sessions: Sessions
    commands: Commands
    spending: Spending
    sqs: Any
    queue_url: str
    wait: Callable[[EndedRun], None]
    """Calls `saved_or_late` when the work is saved, and now and then before (see answer_wait)."""
    now: Callable[[], int]
    log: Callable[..., None]
    measure: Callable[[CommandRecord, Response], None] = lambda *_: None
    """Is called once a command, when its response is recorded."""

    def run_ended(self, ids: CommandIds, status: str, error: str | None, cause: str | None) -> None:
        """Answers the command of a run that reached its final status; later if its workspace is still saving."""
        command = self.commands.read(ids)
        if command is None:
            self.log("a run of no known command ended", **_named(ids))
            return
        if command.answered_at:
            return
        if command.response:
            self.send(command, command.response)
            return
        outcome = of_execution(status, error, cause, command.superseded_by)
        if outcome.status in {ResponseStatus.INTERRUPTED, ResponseStatus.TIMED_OUT}:
            self.sessions.raise_generation(command, command.generation)
            if self._is_saving(command):
                self.wait(_ended(command, status, error, cause, until=self.now() + SAVE_SECONDS * 1000))
                return
            command = self.commands.read(command) or command
        self.answer(command, outcome)

    def saved_or_late(self, run: EndedRun) -> bool:
        """Answers the command of a run that was waited for. Returns False if the workspace still saves, and may."""
        command = self.commands.read(run)
        if command is None or command.answered_at:
            return True
        if command.response is None and self.now() < run.until and self._is_saving(command):
            return False
        command = self.commands.read(command) or command
        self.answer(command, of_execution(run.status, run.error, run.cause, command.superseded_by))
        return True

    def not_started(self, event: CommandNotStarted) -> None:
        """Answers a command that ended without a run."""
        command = self.commands.read(event)
        if command is None:
            self.log("an unknown command did not start", **_named(event))
            return
        if not command.answered_at:
            self.answer(command, Outcome(event.status, event.error))

    def answer(self, command: CommandRecord, outcome: Outcome) -> None:
        """Records the response with its cost, and sends it. If a response is recorded already, sends that response."""
        response = build_response(command, outcome, self.now())
        if record_answer(self.commands, self.spending, command, response):
            self.measure(command, response)
            self.send(command, response)
            return
        known = self.commands.read(command)
        if known and known.response and not known.answered_at:
            self.send(command, known.response)

    def send(self, command: CommandRecord, response: Response) -> None:
        """Sends a recorded response and marks the command as answered."""
        # The group keeps the order of one session's responses, and a client's sessions are its own.
        group = client_session(command)
        ids = f"{group}\n{command.command_id}"
        self.sqs.send_message(
            QueueUrl=self.queue_url,
            MessageBody=response.message_body(),
            MessageGroupId=storable_id(group),
            # A repetition within 5 minutes sends nothing (SQS Developer Guide, "Exactly-once processing in Amazon SQS",
            # deduplication interval). That covers two events at the same time, and a crash before the mark below.
            MessageDeduplicationId=hashlib.sha256(ids.encode()).hexdigest(),
        )
        self.commands.mark_answered(command, self.now())
        self.log("answered", **_named(command), status=response.status.value)

    def _is_saving(self, command: CommandRecord) -> bool:
        """Tells whether a live workspace still has to record the command's WIP commit, or the end of its push."""
        if command.interruption and not command.interruption.pushing:
            return False
        session = self.sessions.read(command)
        if session is None or session.workspace_id is None or (session.alive_until or 0) <= self.now():
            return False
        return command.interruption is not None or (session.claim_generation or 0) <= command.generation


def _ended(command: CommandRecord, status: str, error: str | None, cause: str | None, *, until: int) -> EndedRun:
    return EndedRun(
        client_id=command.client_id or "",
        session_id=command.session_id,
        command_id=command.command_id,
        status=status,
        error=error,
        # The cause of an interrupted run is one sentence. It is part of a state's input.
        cause=cause[:2000] if cause else cause,
        until=until,
    )


def _named(ids: CommandIds) -> dict[str, str | None]:
    return {"clientId": ids.client_id, "sessionId": ids.session_id, "commandId": ids.command_id}
