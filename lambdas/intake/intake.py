"""Accept, stop, start: every piece may be repeated, so a message delivered twice does no harm."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from lambdas.intake.dead_letter import dead_letter
from lambdas.intake.parse import Rejected, Unreadable, parse
from lambdas.intake.store import SessionMismatch, Store
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.events import CommandNotStarted
from sitewright.contracts.messages import Command, ResponseStatus
from sitewright.contracts.names import EVENT_SOURCE, NOT_STARTED, SITE_PARAMETER_PREFIX
from sitewright.contracts.records import CommandRecord, SiteEntry
from sitewright.contracts.steps import ExecutionInput
from sitewright.retry import error_code

SITE_CACHE_MS = 60_000


@dataclass
class Intake:
    """The logic of one function instance; the clients are boto3's."""

    store: Store
    sfn: Any
    events: Any
    ssm: Any
    sqs: Any
    dead_letter_url: str
    now: Callable[[], int]
    log: Callable[..., None]

    def __post_init__(self) -> None:
        self._sites: dict[str, tuple[int, SiteEntry]] = {}

    def handle(self, body: str, *, message_id: str, group: str, later: list[str]) -> None:
        """One message. `later` are the session's commands that follow in the same batch, newest first: if one of them is
        really newer, this one never starts.

        Raises what should bring the message back.
        """
        parsed = parse(body)
        if isinstance(parsed, Unreadable):
            self._bury(body, parsed.reason, message_id, group)
        elif isinstance(parsed, Rejected):
            self._reject(parsed.session_id, parsed.command_id, parsed.error)
        else:
            self._command(parsed, later)

    def _command(self, command: Command, later: list[str]) -> None:
        site = self._site(command.client_id)
        if site is None:
            message = f"clientId: there is no site {command.client_id!r}"
            self._reject(command.session_id, command.command_id, ErrorInfo.of(ErrorCode.UNKNOWN_CLIENT, message))
            return
        try:
            record, new = self.store.accept(command, site, self.now())
        except SessionMismatch as mismatch:
            known = mismatch.session
            message = (
                f"session {known.session_id} belongs to clientId {known.client_id!r}, "
                f"chatThreadId {known.chat_thread_id!r}"
            )
            self._reject(command.session_id, command.command_id, ErrorInfo.of(ErrorCode.SESSION_MISMATCH, message))
            return
        if record.rejection or record.response or record.answered_at:
            self.log("duplicate of a finished command", sessionId=command.session_id, commandId=command.command_id)
            return
        if not new:
            self.log("replay", sessionId=command.session_id, commandId=command.command_id)
        for older in self.store.older_open(record):
            self._stop(record.session_id, older, record.command_id)
        superseded_by = self._superseded_by(record, later)
        if superseded_by:
            self._stop(record.session_id, record.command_id, superseded_by)
        else:
            self._start(site, record)

    def _superseded_by(self, record: CommandRecord, later: list[str]) -> str | None:
        # What was once told to be superseded stays so: its answer may be on the way.
        if record.superseded_by:
            return record.superseded_by
        session = self.store.session(record.session_id)
        if session and session.generation > record.generation and session.command_id != record.command_id:
            return session.command_id
        return self.store.newest_after(record, later)

    def _stop(self, session_id: str, command_id: str, by: str) -> None:
        """Ends an older command: its run if there is one, its answer if there never was."""
        record = self.store.supersede(session_id, command_id, by)
        if record is None or record.execution_arn is None:
            return
        try:
            self.sfn.stop_execution(
                executionArn=record.execution_arn,
                error="Superseded",
                cause=f"command {by} of the same session took over",
            )
            self.log("stopped", sessionId=session_id, commandId=command_id, supersededBy=by)
        except ClientError as error:
            if error_code(error) != "ExecutionDoesNotExist":
                raise
            self._tell(
                CommandNotStarted(
                    session_id=session_id,
                    command_id=command_id,
                    status=ResponseStatus.INTERRUPTED,
                    superseded_by=record.superseded_by,
                )
            )

    def _start(self, site: SiteEntry, record: CommandRecord) -> None:
        if record.execution_arn is None or record.client_id is None or record.chat_thread_id is None:
            raise RuntimeError(f"the record of {record.command_id} has no run to start")
        # The input is the same at every replay, so StartExecution is idempotent while the run is open.
        payload = ExecutionInput(
            session_id=record.session_id,
            command_id=record.command_id,
            client_id=record.client_id,
            chat_thread_id=record.chat_thread_id,
            generation=record.generation,
        )
        try:
            self.sfn.start_execution(
                stateMachineArn=site.state_machine_arn,
                name=record.execution_arn.rsplit(":", 1)[1],
                input=payload.to_json(),
            )
            self.log("started", sessionId=record.session_id, commandId=record.command_id, generation=record.generation)
        except ClientError as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise

    def _site(self, client_id: str) -> SiteEntry | None:
        cached = self._sites.get(client_id)
        if cached and self.now() - cached[0] < SITE_CACHE_MS:
            return cached[1]
        try:
            value = self.ssm.get_parameter(Name=f"{SITE_PARAMETER_PREFIX}{client_id}")["Parameter"]["Value"]
        except ClientError as error:
            if error_code(error) != "ParameterNotFound":
                raise
            return None
        entry = SiteEntry.model_validate_json(value)
        self._sites[client_id] = (self.now(), entry)
        return entry

    def _reject(self, session_id: str, command_id: str, error: ErrorInfo) -> None:
        if not self.store.reject(session_id, command_id, error, self.now()):
            self.log(
                "a rejected message whose id is answered or another command's",
                sessionId=session_id,
                commandId=command_id,
            )
            return
        self.log("rejected", sessionId=session_id, commandId=command_id, error=error.message)
        self._tell(
            CommandNotStarted(session_id=session_id, command_id=command_id, status=ResponseStatus.REJECTED, error=error)
        )

    def _tell(self, event: CommandNotStarted) -> None:
        answer = self.events.put_events(
            Entries=[{"Source": EVENT_SOURCE, "DetailType": NOT_STARTED, "Detail": event.to_json()}]
        )
        if answer.get("FailedEntryCount"):
            raise RuntimeError(f"EventBridge refused the event: {json.dumps(answer.get('Entries'))[:500]}")

    def _bury(self, body: str, reason: str, message_id: str, group: str) -> None:
        letter = dead_letter(body, reason)
        self.sqs.send_message(
            QueueUrl=self.dead_letter_url,
            MessageBody=letter.body,
            MessageGroupId=group,
            MessageDeduplicationId=message_id,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": letter.reason}},
        )
        self.log("to the dead-letter queue", messageId=message_id, reason=reason)
