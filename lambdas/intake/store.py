"""Acceptance in the tables: one transaction, replayable."""

import random
import time
from typing import Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from lambdas.common.aws_clients import TABLE_BACKOFF
from sitewright.contracts.error_codes import ErrorInfo
from sitewright.contracts.messages import Command
from sitewright.contracts.names import execution_name
from sitewright.contracts.records import OPEN, RECORD_TTL_DAYS, CommandRecord, SessionRecord, SiteEntry
from sitewright.retry import retry

ATTEMPTS = 20
"""The workspace refreshes the session item twice a second, so a transaction meets it now and then: retried."""


SUPERSEDE = "SET supersededBy = if_not_exists(supersededBy, :by)"
UNANSWERED = "attribute_exists(commandId) AND attribute_not_exists(answeredAt)"


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
            older = self.command(record.session_id, record.supersedes) if record.supersedes else None
            try:
                self._client.transact_write_items(TransactItems=self._transaction(record, session, older, now))
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

    def older_open(self, record: CommandRecord) -> list[str]:
        """The session's unanswered commands of a lower generation, newest first: whose runs must not go on.

        Usually there is none or one. More are left where intake died between accepting a command and stopping the one
        before, and the message did not come back (dead-letter queue, or the session's messages in several groups).
        """
        found: list[CommandRecord] = []
        start: dict[str, Any] | None = None
        while True:
            page = self._commands.query(
                KeyConditionExpression=Key("sessionId").eq(record.session_id),
                FilterExpression=Attr("open").eq(OPEN)
                & Attr("generation").lt(record.generation)
                & Attr("rejection").not_exists(),
                ProjectionExpression="sessionId, commandId, generation, acceptedAt",
                ConsistentRead=True,
                **({"ExclusiveStartKey": start} if start else {}),
            )
            found += [CommandRecord.from_item(item) for item in page["Items"]]
            start = page.get("LastEvaluatedKey")
            if not start:
                return [c.command_id for c in sorted(found, key=lambda c: c.generation, reverse=True)]

    def newest_after(self, record: CommandRecord, candidates: list[str]) -> str | None:
        """The first of `candidates` (newest first) that is really newer than the record: unknown yet, or accepted later.

        The queue delivers at least once, so what comes later in a batch may be an old command once more.
        """
        for command_id in candidates:
            known = self.command(record.session_id, command_id)
            if known is None or (known.rejection is None and known.generation > record.generation):
                return command_id
        return None

    def supersede(self, session_id: str, command_id: str, by: str) -> CommandRecord | None:
        """Marks an unanswered command as superseded, unless it is already; gives the record as it is then."""
        try:
            item = retry(
                lambda: self._commands.update_item(
                    Key={"sessionId": session_id, "commandId": command_id},
                    UpdateExpression=SUPERSEDE,
                    ConditionExpression=UNANSWERED,
                    ExpressionAttributeValues={":by": by},
                    ReturnValues="ALL_NEW",
                ),
                TABLE_BACKOFF,
                sleep=self._sleep,
            )["Attributes"]
        except self._client.exceptions.ConditionalCheckFailedException:
            return None
        return CommandRecord.from_item(item)

    def reject(self, session_id: str, command_id: str, error: ErrorInfo, now: int) -> bool:
        """Notes a rejected command, so that it is answered once. False if the id is another command's, or answered."""
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
                # A response that is already fixed must not be lost: `respond` may have sent it.
                ConditionExpression="attribute_not_exists(commandId) OR "
                "(attribute_exists(rejection) AND attribute_not_exists(#response))",
                ExpressionAttributeNames={"#response": "response"},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _transaction(
        self, record: CommandRecord, session: SessionRecord | None, older: CommandRecord | None, now: int
    ) -> list[dict[str, Any]]:
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
        if older is None or older.answered_at:
            return [put, raised]
        # Inside, because the older run may end by itself as soon as the generation is raised: its answer has to find
        # here who took over. Should it be answered meanwhile, the transaction fails and is made anew without this.
        named = {
            "Update": {
                "TableName": self._commands.name,
                "Key": {"sessionId": older.session_id, "commandId": older.command_id},
                "UpdateExpression": SUPERSEDE,
                "ConditionExpression": UNANSWERED,
                "ExpressionAttributeValues": {":by": record.command_id},
            }
        }
        return [put, raised, named]


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
