"""Exactly one response a command: fix it on the record, send it, mark the command as answered.

The response is fixed before it is sent, on the condition that there is none yet: whoever repeats the sending, and
however often, sends the same words. docs/decisions/09-responses-at-least-once.md tells the one case in which a client gets it twice.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from lambdas.common.aws_clients import TABLE_BACKOFF
from lambdas.respond.outcome import Outcome, build_response, of_execution
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.events import CommandNotStarted
from sitewright.contracts.messages import Response, ResponseStatus
from sitewright.contracts.records import OPEN, OPEN_INDEX, CommandRecord, SessionRecord
from sitewright.retry import error_code, retry

SETTLE_SECONDS = 25
"""How long an interrupted command's workspace may take to save its work before the answer goes without the commit."""
SWEEP_AFTER_MS = 120_000
JUST_ENDED_MS = 60_000
"""The sweep leaves a run alone that ended this short a time ago: its event may be waiting for the workspace."""
NEVER_STARTED_AFTER_MS = 15 * 60_000


class SweepError(Exception):
    """Some commands could not be answered; the others were. `failures` has each with its reason."""

    def __init__(self, failures: list[str]) -> None:
        super().__init__(f"{len(failures)} open commands could not be answered: " + "; ".join(failures)[:1000])
        self.failures = failures


@dataclass
class Responder:
    """The logic of one function instance; the clients are boto3's."""

    sessions: Any
    commands: Any
    sqs: Any
    sfn: Any
    queue_url: str
    now: Callable[[], int]
    log: Callable[..., None]
    sleep: Callable[[float], None] = time.sleep

    def run_ended(self, session_id: str, command_id: str, status: str, error: str | None, cause: str | None) -> None:
        """A run reached its final status."""
        command = self._command(session_id, command_id)
        if command is None:
            self.log("a run of no known command ended", sessionId=session_id, commandId=command_id)
            return
        if command.answered_at:
            return
        if command.response:
            self._deliver(command, command.response)
            return
        outcome = of_execution(status, error, cause, command.superseded_by)
        if outcome.status in {ResponseStatus.INTERRUPTED, ResponseStatus.TIMED_OUT}:
            self._fence(command)
            command = self._settled(command)
        self._answer(command, outcome)

    def not_started(self, event: CommandNotStarted) -> None:
        """A command ended without a run."""
        command = self._command(event.session_id, event.command_id)
        if command is None:
            self.log("an unknown command did not start", sessionId=event.session_id, commandId=event.command_id)
            return
        if not command.answered_at:
            self._answer(command, Outcome(event.status, event.error))

    def sweep(self) -> int:
        """Answers open commands whose run has ended unheard; gives how many.

        One that cannot be answered does not keep the others from it. Raises SweepError at the end, so that it is seen.
        """
        answered, start = 0, None
        failures: list[str] = []
        while True:
            page = self.commands.query(
                IndexName=OPEN_INDEX,
                KeyConditionExpression=Key("open").eq(OPEN) & Key("acceptedAt").lt(self.now() - SWEEP_AFTER_MS),
                **({"ExclusiveStartKey": start} if start else {}),
            )
            for item in page["Items"]:
                try:
                    command = self._command(item["sessionId"], item["commandId"])
                    answered += bool(command and not command.answered_at and self._sweep_one(command))
                except Exception as error:  # whatever it is, it is this record's
                    ids = {"sessionId": item["sessionId"], "commandId": item["commandId"]}
                    self.log("an open command could not be answered", **ids, error=repr(error)[:1000])
                    failures.append(f"{ids['sessionId']}/{ids['commandId']}: {error!r}"[:300])
            start = page.get("LastEvaluatedKey")
            if not start:
                break
        if failures:
            raise SweepError(failures)
        return answered

    def _sweep_one(self, command: CommandRecord) -> bool:
        if command.response:
            self._deliver(command, command.response)
            return True
        if command.rejection:
            self._answer(command, Outcome(ResponseStatus.REJECTED, command.rejection))
            return True
        run = self._run(command)
        if run is None:
            if command.superseded_by:
                self._answer(command, Outcome(ResponseStatus.INTERRUPTED))
            elif self.now() - command.accepted_at > NEVER_STARTED_AFTER_MS:
                info = ErrorInfo.of(ErrorCode.INTERNAL, "the command was accepted but its run never started")
                self._answer(command, Outcome(ResponseStatus.FAILED, info))
            else:
                return False
            return True
        if run["status"] in {"RUNNING", "PENDING_REDRIVE"} or self._just_ended(run):
            return False
        self.run_ended(command.session_id, command.command_id, run["status"], run.get("error"), run.get("cause"))
        return True

    def _run(self, command: CommandRecord) -> Any:
        if command.execution_arn is None:
            return None
        try:
            return self.sfn.describe_execution(executionArn=command.execution_arn)
        except ClientError as error:
            if error_code(error) != "ExecutionDoesNotExist":
                raise
            return None

    def _just_ended(self, run: Any) -> bool:
        ended = run.get("stopDate")
        return ended is not None and self.now() - ended.timestamp() * 1000 < JUST_ENDED_MS

    def _command(self, session_id: str, command_id: str) -> CommandRecord | None:
        key = {"sessionId": session_id, "commandId": command_id}
        item = self.commands.get_item(Key=key, ConsistentRead=True).get("Item")
        return CommandRecord.from_item(item) if item else None

    def _fence(self, command: CommandRecord) -> None:
        """Raises the generation past a run that was stopped or timed out, so that its workspace ends at once.

        A run that a newer command superseded is past already: the condition then fails, and all is well.
        """
        try:
            retry(
                lambda: self.sessions.update_item(
                    Key={"sessionId": command.session_id},
                    UpdateExpression="SET generation = generation + :one",
                    ConditionExpression="generation = :own",
                    ExpressionAttributeValues={":one": 1, ":own": command.generation},
                ),
                TABLE_BACKOFF,
                sleep=self.sleep,
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise

    def _settled(self, command: CommandRecord) -> CommandRecord:
        """The command once its workspace has saved what there was, or after SETTLE_SECONDS."""
        end = self.now() + SETTLE_SECONDS * 1000
        while self.now() < end and self._saving(command):
            self.sleep(0.25)
            command = self._command(command.session_id, command.command_id) or command
        return self._command(command.session_id, command.command_id) or command

    def _saving(self, command: CommandRecord) -> bool:
        """Whether a live workspace has still something to tell of the command: its WIP commit, or that it is pushed."""
        if command.interruption and not command.interruption.pushing:
            return False
        item = self.sessions.get_item(Key={"sessionId": command.session_id}, ConsistentRead=True).get("Item")
        session = SessionRecord.from_item(item) if item else None
        if session is None or session.workspace_id is None or (session.alive_until or 0) <= self.now():
            return False
        return command.interruption is not None or (session.claim_generation or 0) <= command.generation

    def _answer(self, command: CommandRecord, outcome: Outcome) -> None:
        response = self._fixed(command, build_response(command, outcome, self.now()))
        if response:
            self._deliver(command, response)

    def _fixed(self, command: CommandRecord, response: Response) -> Response | None:
        """The response as the record has it from now on: this one, or the one that was there before. None: answered."""
        try:
            self._update(
                command,
                UpdateExpression="SET #response = :response",
                ConditionExpression="attribute_exists(commandId) AND attribute_not_exists(#response)",
                ExpressionAttributeNames={"#response": "response"},
                ExpressionAttributeValues={":response": response.to_item()},
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            now = self._command(command.session_id, command.command_id)
            return now.response if now and not now.answered_at else None
        return response

    def _deliver(self, command: CommandRecord, response: Response) -> None:
        ids = f"{command.session_id}\n{command.command_id}"
        self.sqs.send_message(
            QueueUrl=self.queue_url,
            MessageBody=response.to_json(),
            MessageGroupId=command.session_id,
            # Who repeats this within 5 minutes sends nothing (SQS Developer Guide, "Exactly-once processing in Amazon
            # SQS", deduplication interval): two events at the same time, and a crash before the mark that is retried.
            MessageDeduplicationId=hashlib.sha256(ids.encode()).hexdigest(),
        )
        try:
            self._update(
                command,
                UpdateExpression="SET answeredAt = :now REMOVE #open",
                ConditionExpression="attribute_exists(commandId) AND attribute_not_exists(answeredAt)",
                ExpressionAttributeNames={"#open": "open"},
                ExpressionAttributeValues={":now": self.now()},
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
        self.log("answered", sessionId=command.session_id, commandId=command.command_id, status=response.status.value)

    def _update(self, command: CommandRecord, **update: Any) -> None:
        key = {"sessionId": command.session_id, "commandId": command.command_id}
        retry(lambda: self.commands.update_item(Key=key, **update), TABLE_BACKOFF, sleep=self.sleep)
