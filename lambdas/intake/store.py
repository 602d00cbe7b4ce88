"""Acceptance in the tables: one transaction, replayable."""

import random
import time
from typing import Any

from botocore.exceptions import ClientError

from contracts.errors import ErrorInfo
from contracts.messages import Command
from contracts.names import execution_name
from contracts.records import OPEN, RECORD_TTL_DAYS, CommandRecord, SessionRecord, SiteEntry

ATTEMPTS = 20
"""The workspace refreshes the session item twice a second, so a transaction meets it now and then: retried."""


class AcceptError(Exception):
    """The transaction did not get through; the queue delivers the message again."""


class SessionMismatch(Exception):
    """The session belongs to another client or thread."""

    def __init__(self, session: SessionRecord) -> None:
        super().__init__("session mismatch")
        self.session = session


class Store:
    """Sessions and commands as intake sees them."""

    def __init__(self, sessions: Any, commands: Any, sleep: Any = time.sleep) -> None:
        self._sessions = sessions
        self._commands = commands
        self._client = sessions.meta.client
        self._sleep = sleep

    def session(self, session_id: str) -> SessionRecord | None:
        """The session, read consistently."""
        item = self._sessions.get_item(Key={"sessionId": session_id}, ConsistentRead=True).get("Item")
        return SessionRecord.from_item(item) if item else None

    def command(self, session_id: str, command_id: str) -> CommandRecord | None:
        """The command, read consistently."""
        key = {"sessionId": session_id, "commandId": command_id}
        item = self._commands.get_item(Key=key, ConsistentRead=True).get("Item")
        return CommandRecord.from_item(item) if item else None

    def accept(self, command: Command, site: SiteEntry, now: int) -> tuple[CommandRecord, bool]:
        """Accepts the command once and raises the session's generation. Gives the record and whether it is new.

        Raises SessionMismatch, AcceptError.
        """
        for attempt in range(ATTEMPTS):
            known = self.command(command.session_id, command.command_id)
            if known:
                return known, False
            session = self.session(command.session_id)
            if session and (session.client_id, session.chat_thread_id) != (command.client_id, command.chat_thread_id):
                raise SessionMismatch(session)
            record = _record(command, site, session, now)
            try:
                self._client.transact_write_items(TransactItems=self._transaction(record, session, now))
            except ClientError as error:
                if error.response["Error"]["Code"] not in {
                    "TransactionCanceledException",
                    "TransactionConflictException",
                }:
                    raise
                self._sleep(random.uniform(0, min(0.4, 0.02 * 2**attempt)))  # noqa: S311 - jitter, no secret
            else:
                return record, True
        raise AcceptError(f"session {command.session_id} was too busy to accept {command.command_id}")

    def supersede(self, session_id: str, command_id: str, by: str) -> CommandRecord | None:
        """Marks an unanswered command as superseded, unless it is already; gives the record as it is then."""
        try:
            item = self._commands.update_item(
                Key={"sessionId": session_id, "commandId": command_id},
                UpdateExpression="SET supersededBy = if_not_exists(supersededBy, :by)",
                ConditionExpression="attribute_exists(commandId) AND attribute_not_exists(answeredAt)",
                ExpressionAttributeValues={":by": by},
                ReturnValues="ALL_NEW",
            )["Attributes"]
        except self._client.exceptions.ConditionalCheckFailedException:
            return None
        return CommandRecord.from_item(item)

    def reject(self, session_id: str, command_id: str, error: ErrorInfo, now: int) -> bool:
        """Notes a rejected command, so that it is answered once. False if the id was used before by another command."""
        record = CommandRecord(
            session_id=session_id,
            command_id=command_id,
            accepted_at=now,
            rejection=error,
            open=OPEN,
            ttl=_ttl(now),
        )
        try:
            self._commands.put_item(
                Item=record.to_item(),
                ConditionExpression="attribute_not_exists(commandId) OR "
                "(attribute_exists(rejection) AND attribute_not_exists(answeredAt))",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _transaction(self, record: CommandRecord, session: SessionRecord | None, now: int) -> list[dict[str, Any]]:
        put = {
            "Put": {
                "TableName": self._commands.name,
                "Item": record.to_item(),
                "ConditionExpression": "attribute_not_exists(commandId)",
            }
        }
        raised = {
            "Update": {
                "TableName": self._sessions.name,
                "Key": {"sessionId": record.session_id},
                "UpdateExpression": "SET clientId = :client, chatThreadId = :thread, generation = :new, "
                "commandId = :command, updatedAt = :now, #ttl = :ttl",
                "ConditionExpression": "generation = :seen" if session else "attribute_not_exists(sessionId)",
                "ExpressionAttributeNames": {"#ttl": "ttl"},
                "ExpressionAttributeValues": {
                    ":client": record.client_id,
                    ":thread": record.chat_thread_id,
                    ":new": record.generation,
                    ":command": record.command_id,
                    ":now": now,
                    ":ttl": record.ttl,
                    **({":seen": session.generation} if session else {}),
                },
            }
        }
        return [put, raised]


def _record(command: Command, site: SiteEntry, session: SessionRecord | None, now: int) -> CommandRecord:
    machine = site.state_machine_arn.replace(":stateMachine:", ":execution:")
    return CommandRecord(
        session_id=command.session_id,
        command_id=command.command_id,
        client_id=command.client_id,
        chat_thread_id=command.chat_thread_id,
        instruction=command.instruction,
        user_id=command.user_id,
        generation=(session.generation if session else 0) + 1,
        supersedes=session.command_id if session else None,
        accepted_at=now,
        site_url=site.site_url,
        execution_arn=f"{machine}:{execution_name(command.session_id, command.command_id)}",
        open=OPEN,
        ttl=_ttl(now),
    )


def _ttl(now: int) -> int:
    return now // 1000 + RECORD_TTL_DAYS * 86_400
