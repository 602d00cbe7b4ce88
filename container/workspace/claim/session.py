"""The workspace's writes to the tables: the claim, the checkpoint pointer, the results on the command.

Every write to the session is conditional on the claim, in one call: a workspace that was cut off and wakes up late must
find out by being refused, not by looking first.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from sitewright.contracts.base import Contract
from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.records import CommandRecord, SessionRecord
from sitewright.contracts.steps import StepRequest
from sitewright.retry import Backoff, retry
from workspace.errors import Fenced, StepFailed
from workspace.system.aws_clients import Clients

CLAIM_SECONDS = 10.0
"""The claim ends by itself this long after its last refresh."""

BACKOFF = Backoff(seconds=8.0, first=0.02, longest=1.0)
"""For a conflict or a failing network. It ends before CLAIM_SECONDS, after which repeating is pointless."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class SessionStore:
    """One workspace's view of one session and one command."""

    clients: Clients
    sessions_table: str
    commands_table: str
    request: StepRequest
    workspace_id: str
    now: Callable[[], float] = field(default=time.time, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    released: threading.Event = field(default_factory=threading.Event, repr=False)
    """Set while and after the claim is given back: then losing it is no surprise."""
    lost: threading.Event = field(default_factory=threading.Event, repr=False)
    """Set for good once the claim is known to be lost: also for what an earlier step left running in the background."""

    def claim(self) -> tuple[bool, SessionRecord]:
        """Takes the claim for the request if it is free, expired or ours, and no newer command was accepted.

        Returns whether, and the session as it is then. What lies in the mailbox is removed: whoever may claim for the
        session's newest run is started by that run's only open state, so nobody waits for a step offered before.

        Raises StepFailed if there is no such session, and botocore's exceptions after some repetition.
        """
        now = self._ms()
        update = self._update(
            "SET workspaceId = :me, aliveUntil = :until, claimGeneration = :generation, serving = :request REMOVE mailbox",
            "generation = :generation AND (attribute_not_exists(workspaceId) OR workspaceId = :me"
            " OR attribute_not_exists(aliveUntil) OR aliveUntil < :now)",
            {
                ":until": now + int(CLAIM_SECONDS * 1000),
                ":generation": self.request.generation,
                ":request": self.request.to_item(),
                ":now": now,
            },
        )
        try:
            return True, self._session(update)
        except Fenced:
            return False, self.read()

    def read(self) -> SessionRecord:
        """The session, read consistently. Raises StepFailed if there is none."""
        item = self._patient(
            lambda: self.clients.dynamodb.get_item(
                TableName=self.sessions_table, Key=_item({"sessionId": self.request.session_id}), ConsistentRead=True
            ).get("Item")
        )
        if item is None:
            raise StepFailed(ErrorCode.INTERNAL, f"there is no session {self.request.session_id!r} in the table")
        return SessionRecord.from_item(_plain(item))

    def peek(self) -> SessionRecord | None:
        """The session, a moment old at worst, for a tenth of what `refresh` costs; None if there is none.

        A hint only: what follows from it has to be a conditional write. Raises botocore's exceptions, at once.
        """
        key = _item({"sessionId": self.request.session_id})
        item = self.clients.dynamodb.get_item(TableName=self.sessions_table, Key=key).get("Item")
        return SessionRecord.from_item(_plain(item)) if item is not None else None

    def read_command(self) -> CommandRecord:
        """The command, read consistently. Raises StepFailed if there is none."""
        item = self._patient(
            lambda: self.clients.dynamodb.get_item(
                TableName=self.commands_table, Key=_item(self._command_key()), ConsistentRead=True
            ).get("Item")
        )
        if item is None:
            raise StepFailed(ErrorCode.INTERNAL, f"there is no command {self.request.command_id!r} in the table")
        return CommandRecord.from_item(_plain(item))

    def refresh(self, *, patient: bool = True) -> SessionRecord:
        """Prolongs the claim and returns the session. Raises Fenced if the claim is not ours any more."""
        update = self._update(
            "SET aliveUntil = :until", "workspaceId = :me", {":until": self._ms() + int(CLAIM_SECONDS * 1000)}
        )
        return self._session(update, patient=patient)

    def point_to(self, checkpoint: str, conversation_id: str | None) -> None:
        """Makes an object the session's checkpoint. Raises Fenced if the claim is not ours any more."""
        values: dict[str, Any] = {":checkpoint": checkpoint, ":now": self._ms()}
        expression = "SET checkpoint = :checkpoint, updatedAt = :now"
        if conversation_id is not None:
            values[":conversation"] = conversation_id
            expression += ", conversationId = :conversation"
        self._session(self._update(expression, "workspaceId = :me", values))

    def hand_over(self) -> bool:
        """Puts the request into the mailbox of the workspace that holds a live claim. False if there is none."""
        update = self._update(
            "SET mailbox = :request",
            "workspaceId <> :me AND aliveUntil > :now AND generation = :generation",
            {":request": self.request.to_item(), ":now": self._ms(), ":generation": self.request.generation},
        )
        try:
            self._session(update)
        except Fenced:
            return False
        return True

    def take(self) -> SessionRecord:
        """Takes the request out of the mailbox. Raises Fenced if it is not there any more, or a newer command is."""
        update = self._update(
            "SET serving = mailbox, claimGeneration = :generation REMOVE mailbox",
            "workspaceId = :me AND mailbox.taskToken = :token AND generation = :generation",
            {":token": self.request.task_token, ":generation": self.request.generation},
        )
        try:
            return self._session(update)
        except Fenced:
            # A call that was repeated because its first answer got lost finds its own work done.
            session = self.read()
            if session.workspace_id == self.workspace_id and session.serving == self.request:
                return session
            raise

    def drop(self, request: StepRequest) -> None:
        """Removes an offer that came too late: a newer command was accepted since. Gone already is as good."""
        condition = "workspaceId = :me AND mailbox.taskToken = :token"
        with contextlib.suppress(Fenced):
            self._session(self._update("REMOVE mailbox", condition, {":token": request.task_token}))

    def rest(self, generation: int) -> None:
        """Notes that nothing is under way and that all work below or at `generation` is saved. Raises Fenced."""
        update = "SET claimGeneration = :generation REMOVE serving"
        self._session(self._update(update, "workspaceId = :me", {":generation": generation}))

    def leave(self) -> bool:
        """Gives the claim back if nothing waits in the mailbox, in one write; False if something does."""
        self.released.set()
        condition = "workspaceId = :me AND attribute_not_exists(mailbox)"
        try:
            self._session(self._update("REMOVE workspaceId, aliveUntil, claimGeneration, serving", condition, {}))
        except Fenced:
            if self.read().workspace_id == self.workspace_id:
                self.released.clear()
                return False
        return True

    def abandon(self) -> StepRequest | None:
        """Gives the claim back whatever comes, with what waited in the mailbox: its token wants an answer."""
        self.released.set()
        expression = "REMOVE workspaceId, aliveUntil, claimGeneration, serving, mailbox"
        update = self._update(expression, "workspaceId = :me", {}) | {"ReturnValues": "ALL_OLD"}
        try:
            return self._session(update).mailbox
        except Fenced:
            return None

    def record(self, attribute: str, value: Contract, *, if_absent: bool = False) -> None:
        """Writes one part of the command's item (`agent`, `build`, `push`, `interruption`, ...).

        Raises botocore's exceptions; also for a part that is there already, with `if_absent`.
        """
        condition = "attribute_exists(commandId)" + (" AND attribute_not_exists(#part)" if if_absent else "")
        self._patient(
            lambda: self.clients.dynamodb.update_item(
                TableName=self.commands_table,
                Key=_item(self._command_key()),
                UpdateExpression="SET #part = :value",
                ConditionExpression=condition,
                ExpressionAttributeNames={"#part": attribute},
                ExpressionAttributeValues=_item({":value": value.to_item()}),
            )
        )

    def _command_key(self) -> dict[str, str]:
        return {"sessionId": self.request.session_id, "commandId": self.request.command_id}

    def _update(self, expression: str, condition: str, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "TableName": self.sessions_table,
            "Key": _item({"sessionId": self.request.session_id}),
            "UpdateExpression": expression,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": _item({":me": self.workspace_id, **values}),
            "ReturnValues": "ALL_NEW",
        }

    def _session(self, update: dict[str, Any], *, patient: bool = True) -> SessionRecord:
        def call() -> dict[str, Any]:
            return self.clients.dynamodb.update_item(**update)["Attributes"]

        try:
            return SessionRecord.from_item(_plain(self._patient(call) if patient else call()))
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                raise Fenced("the session's claim is not held by this workspace") from error
            raise

    def _patient(self, call: Callable[[], _T]) -> _T:
        return retry(call, BACKOFF, sleep=self.sleep)

    def _ms(self) -> int:
        return int(self.now() * 1000)


def _item(values: dict[str, Any]) -> dict[str, Any]:
    serializer = TypeSerializer()
    return {key: serializer.serialize(value) for key, value in values.items()}


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    deserializer = TypeDeserializer()
    return {key: deserializer.deserialize(value) for key, value in item.items()}
