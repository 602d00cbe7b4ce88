"""Exactly one response a command: look at the mark, send, mark."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from contracts.errors import ErrorCode, ErrorInfo
from contracts.events import CommandNotStarted
from contracts.messages import ResponseStatus
from contracts.records import OPEN, OPEN_INDEX, CommandRecord, SessionRecord
from lambdas.common.aws import error_code
from lambdas.respond.outcome import Outcome, build_response, of_execution

SETTLE_SECONDS = 25
"""How long an interrupted command's workspace may take to save its work before the answer goes without the commit."""
SWEEP_AFTER_MS = 120_000
NEVER_STARTED_AFTER_MS = 15 * 60_000


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
        outcome = of_execution(status, error, cause, command.superseded_by)
        if outcome.status in {ResponseStatus.INTERRUPTED, ResponseStatus.TIMED_OUT}:
            self._fence(command)
            command = self._settled(command)
        self._answer(command, outcome)

    def not_started(self, event: CommandNotStarted) -> None:
        """A command ended without a run."""
        command = self._command(event.session_id, event.command_id)
        if command is None or command.answered_at:
            return
        self._answer(command, Outcome(event.status, event.error))

    def sweep(self) -> int:
        """Answers open commands whose run has ended unheard; gives how many."""
        answered, start = 0, None
        while True:
            page = self.commands.query(
                IndexName=OPEN_INDEX,
                KeyConditionExpression=Key("open").eq(OPEN) & Key("acceptedAt").lt(self.now() - SWEEP_AFTER_MS),
                **({"ExclusiveStartKey": start} if start else {}),
            )
            for item in page["Items"]:
                command = self._command(item["sessionId"], item["commandId"])
                if command and not command.answered_at and self._sweep_one(command):
                    answered += 1
            start = page.get("LastEvaluatedKey")
            if not start:
                return answered

    def _sweep_one(self, command: CommandRecord) -> bool:
        if command.rejection:
            self._answer(command, Outcome(ResponseStatus.REJECTED, command.rejection))
            return True
        try:
            run = self.sfn.describe_execution(executionArn=command.execution_arn)
        except ClientError as error:
            if error_code(error) != "ExecutionDoesNotExist":
                raise
            if command.superseded_by:
                self._answer(command, Outcome(ResponseStatus.INTERRUPTED))
            elif self.now() - command.accepted_at > NEVER_STARTED_AFTER_MS:
                info = ErrorInfo.of(ErrorCode.INTERNAL, "the command was accepted but its run never started")
                self._answer(command, Outcome(ResponseStatus.FAILED, info))
            else:
                return False
            return True
        if run["status"] in {"RUNNING", "PENDING_REDRIVE"}:
            return False
        self.run_ended(command.session_id, command.command_id, run["status"], run.get("error"), run.get("cause"))
        return True

    def _command(self, session_id: str, command_id: str) -> CommandRecord | None:
        key = {"sessionId": session_id, "commandId": command_id}
        item = self.commands.get_item(Key=key, ConsistentRead=True).get("Item")
        return CommandRecord.from_item(item) if item else None

    def _fence(self, command: CommandRecord) -> None:
        """Raises the generation past a run that was stopped or timed out, so that its workspace ends at once.

        A run that a newer command superseded is past already: the condition then fails, and all is well.
        """
        try:
            self.sessions.update_item(
                Key={"sessionId": command.session_id},
                UpdateExpression="SET generation = generation + :one",
                ConditionExpression="generation = :own",
                ExpressionAttributeValues={":one": 1, ":own": command.generation},
            )
        except ClientError as error:
            if error_code(error) not in {"ConditionalCheckFailedException", "TransactionConflictException"}:
                raise

    def _settled(self, command: CommandRecord) -> CommandRecord:
        """The command once its workspace has saved what there was, or after SETTLE_SECONDS."""
        end = self.now() + SETTLE_SECONDS * 1000
        while self.now() < end and command.interruption is None and self._still_held(command):
            self.sleep(0.25)
            command = self._command(command.session_id, command.command_id) or command
        return self._command(command.session_id, command.command_id) or command

    def _still_held(self, command: CommandRecord) -> bool:
        item = self.sessions.get_item(Key={"sessionId": command.session_id}, ConsistentRead=True).get("Item")
        session = SessionRecord.from_item(item) if item else None
        return (
            session is not None
            and session.workspace_id is not None
            and (session.alive_until or 0) > self.now()
            and (session.claim_generation or 0) <= command.generation
        )

    def _answer(self, command: CommandRecord, outcome: Outcome) -> None:
        now = self.now()
        response = build_response(command, outcome, now)
        ids = f"{command.session_id}\n{command.command_id}"
        self.sqs.send_message(
            QueueUrl=self.queue_url,
            MessageBody=response.to_json(),
            MessageGroupId=command.session_id,
            # Two events at the same time both get here: the queue drops the second for 5 minutes, the mark after that.
            MessageDeduplicationId=hashlib.sha256(ids.encode()).hexdigest(),
        )
        try:
            self.commands.update_item(
                Key={"sessionId": command.session_id, "commandId": command.command_id},
                UpdateExpression="SET answeredAt = :now, #response = :response REMOVE #open",
                ConditionExpression="attribute_not_exists(answeredAt)",
                ExpressionAttributeNames={"#response": "response", "#open": "open"},
                ExpressionAttributeValues={":now": now, ":response": response.to_item()},
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
        self.log("answered", sessionId=command.session_id, commandId=command.command_id, status=outcome.status.value)
