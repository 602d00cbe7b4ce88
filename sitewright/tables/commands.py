"""The commands table: one item for each command and its results. Each part of the item has one writer."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from sitewright.contracts.base import Contract
from sitewright.contracts.messages import Response
from sitewright.contracts.records import CommandRecord
from sitewright.tables.schema import COMMAND_ID, OPEN, OPEN_INDEX, SESSION_ID
from sitewright.tables.table import Item, Table, Update

NEW = "attribute_not_exists(commandId)"
"""Condition of a command's first write."""

_KNOWN = "attribute_exists(commandId)"
_UNANSWERED = f"{_KNOWN} AND attribute_not_exists(answeredAt)"
_RESPONSE = {"#response": "response"}


@dataclass(frozen=True)
class Commands:
    """The commands table. Times are milliseconds since the epoch."""

    table: Table

    def read(self, session_id: str, command_id: str) -> CommandRecord | None:
        """Returns the command, read consistently."""
        return _record(self.table.get(key(session_id, command_id)))

    # Parts of the item

    def record_part(
        self, session_id: str, command_id: str, part: str, value: Contract, *, if_absent: bool = False
    ) -> bool:
        """Writes one part of the item (`agent`, `build`, `sync`, `push`, `interruption`, ...).

        Returns False if there is no such command; with `if_absent` also if the item has the part already.
        """
        condition = f"{_KNOWN} AND attribute_not_exists(#part)" if if_absent else _KNOWN
        update = Update("SET #part = :value", condition, {":value": value.to_item()}, {"#part": part})
        return self.table.write(key(session_id, command_id), update)

    def set_commit_message(self, session_id: str, command_id: str, message: str) -> bool:
        """Writes the message for the build step's commit. Returns False if there is no such command."""
        update = Update("SET commitMessage = :message", _KNOWN, {":message": message})
        return self.table.write(key(session_id, command_id), update)

    def note_spending(self, session_id: str, command_id: str, usd: Decimal) -> bool:
        """Raises the noted cost (US dollars) to `usd`, in one request. Returns False if the noted cost is not lower.

        The cost never falls: a disconnected workspace may send its lower cost late.
        """
        condition = f"{_KNOWN} AND (attribute_not_exists(spentUsd) OR spentUsd < :spent)"
        update = Update("SET spentUsd = :spent", condition, {":spent": usd})
        return self.table.write(key(session_id, command_id), update, repeated=False)

    # Acceptance

    def supersede(self, session_id: str, command_id: str, by: str) -> CommandRecord | None:
        """Names the newer command `by`, unless the item names one already. None if the command is answered or unknown."""
        return _record(self.table.update(key(session_id, command_id), superseding(by)))

    def reject(self, record: CommandRecord) -> bool:
        """Records a rejected command, so that it is answered once. False if the id is another command's, or answered."""
        # A recorded response must not be lost: `respond` may have sent it.
        condition = f"{NEW} OR (attribute_exists(rejection) AND attribute_not_exists(#response))"
        return self.table.put(record.to_item(), condition, names=_RESPONSE)

    def open_before(self, session_id: str, generation: int) -> list[str]:
        """Returns the session's unanswered commands below a generation, newest first. Their runs must not go on.

        Usually there is none or one. More remain if intake died after accepting a command and before stopping the older
        run, and SQS did not deliver the message again. Reasons: the dead-letter queue, or the session's messages are in
        several groups.
        """
        found = self.table.query(
            "sessionId = :session",
            {":session": session_id, ":open": OPEN, ":generation": generation},
            FilterExpression="#open = :open AND generation < :generation AND attribute_not_exists(rejection)",
            ProjectionExpression="commandId, generation",
            ExpressionAttributeNames={"#open": OPEN},
            ConsistentRead=True,
        )
        return [item[COMMAND_ID] for item in sorted(found, key=lambda item: item["generation"], reverse=True)]

    # The answer

    def unanswered(self, accepted_before: int) -> Iterator[tuple[str, str]]:
        """Yields session id and command id of each unanswered command that was accepted before a time.

        The index is eventually consistent: read the command before acting on it.
        """
        found = self.table.query(
            "#open = :open AND acceptedAt < :before",
            {":open": OPEN, ":before": accepted_before},
            IndexName=OPEN_INDEX,
            ExpressionAttributeNames={"#open": OPEN},
        )
        for item in found:
            yield item[SESSION_ID], item[COMMAND_ID]

    def fix_response(self, session_id: str, command_id: str, response: Response) -> bool:
        """Records the response before it is sent. Returns False if one is recorded already, or there is no such command."""
        condition = f"{_KNOWN} AND attribute_not_exists(#response)"
        update = Update("SET #response = :response", condition, {":response": response.to_item()}, _RESPONSE)
        return self.table.write(key(session_id, command_id), update)

    def mark_answered(self, session_id: str, command_id: str, now: int) -> bool:
        """Notes that the response was sent, and removes the command from the index. False if that is noted already."""
        update = Update("SET answeredAt = :now REMOVE #open", _UNANSWERED, {":now": now}, {"#open": OPEN})
        return self.table.write(key(session_id, command_id), update)


def superseding(by: str) -> Update:
    """Returns the update that names the newer command of an unanswered one."""
    return Update("SET supersededBy = if_not_exists(supersededBy, :by)", _UNANSWERED, {":by": by})


def key(session_id: str, command_id: str) -> Item:
    """Returns a command's key."""
    return {SESSION_ID: session_id, COMMAND_ID: command_id}


def _record(item: Item | None) -> CommandRecord | None:
    return CommandRecord.from_item(item) if item is not None else None
