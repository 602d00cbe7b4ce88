"""The commands table: one item for each command and its results. Each part of the item has one writer."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from sitewright.contracts.base import Contract
from sitewright.contracts.messages import Response
from sitewright.contracts.names import execution_of
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import Interruption
from sitewright.tables.keys import CommandIds, CommandRef, SessionIds, client_session, command_key
from sitewright.tables.schema import OPEN, OPEN_INDEX
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

    def read(self, ids: CommandIds) -> CommandRecord | None:
        """Returns the command, read consistently."""
        return _record(self.table.get(command_key(ids)))

    # Parts of the item

    def record_part(self, ids: CommandIds, part: str, value: Contract, *, if_absent: bool = False) -> bool:
        """Writes one part of the item (`agent`, `build`, `sync`, `push`, `interruption`, ...).

        Returns False if there is no such command; with `if_absent` also if the item has the part already.
        """
        condition = f"{_KNOWN} AND attribute_not_exists(#part)" if if_absent else _KNOWN
        update = Update("SET #part = :value", condition, {":value": value.to_item()}, {"#part": part})
        return self.table.write(command_key(ids), update)

    def record_interruption(
        self, ids: CommandIds, value: Interruption, *, if_absent: bool = False
    ) -> CommandRecord | None:
        """Writes the saved work, like `record_part`. Returns the whole record, which has the token of who waits for it."""
        condition = f"{_KNOWN} AND attribute_not_exists(interruption)" if if_absent else _KNOWN
        update = Update("SET interruption = :value", condition, {":value": value.to_item()})
        return _record(self.table.update(command_key(ids), update))

    def set_commit_message(self, ids: CommandIds, message: str) -> bool:
        """Writes the message for the build step's commit. Returns False if there is no such command."""
        update = Update("SET commitMessage = :message", _KNOWN, {":message": message})
        return self.table.write(command_key(ids), update)

    def set_covers(self, ids: CommandIds, covered: list[str]) -> bool:
        """Writes the interrupted commands that this one takes over. Returns False if there is no such command."""
        return self.table.write(command_key(ids), Update("SET covers = :covered", _KNOWN, {":covered": covered}))

    def note_spending(self, ids: CommandIds, usd: Decimal) -> bool:
        """Raises the noted cost (US dollars) to `usd`, in one request. Returns False if the noted cost is not lower.

        The cost never falls: a disconnected workspace may send its lower cost late.
        """
        condition = f"{_KNOWN} AND (attribute_not_exists(spentUsd) OR spentUsd < :spent)"
        update = Update("SET spentUsd = :spent", condition, {":spent": usd})
        return self.table.write(command_key(ids), update, repeated=False)

    # Acceptance

    def supersede(self, ids: CommandIds, by: str) -> CommandRecord | None:
        """Names the newer command `by`, unless the item names one already. None if the command is answered or unknown."""
        return _record(self.table.update(command_key(ids), superseding(by)))

    def reject(self, record: CommandRecord) -> bool:
        """Records a rejected command, so that it is answered once. False if the id is another command's, or answered."""
        # A recorded response must not be lost: `respond` may have sent it.
        condition = f"{NEW} OR (attribute_exists(rejection) AND attribute_not_exists(#response))"
        return self.table.put(item(record), condition, names=_RESPONSE)

    def open_before(self, ids: SessionIds, generation: int) -> list[str]:
        """Returns the session's unanswered commands below a generation, newest first. Their runs must not go on.

        Usually there is none or one. More remain if intake died after accepting a command and before stopping the older
        run, and SQS did not deliver the message again. Reasons: the dead-letter queue, or the session's messages are in
        several groups.
        """
        found = self.table.query(
            "clientSession = :session",
            {":session": client_session(ids), ":open": OPEN, ":generation": generation},
            FilterExpression="#open = :open AND generation < :generation AND attribute_not_exists(rejection)",
            ProjectionExpression="commandId, generation",
            ExpressionAttributeNames={"#open": OPEN},
            ConsistentRead=True,
        )
        return [each["commandId"] for each in sorted(found, key=lambda each: each["generation"], reverse=True)]

    # The answer

    def unanswered(self, accepted_before: int) -> Iterator[CommandRef]:
        """Yields the ids of each unanswered command that was accepted before a time.

        The index is eventually consistent: read the command before acting on it.
        """
        found = self.table.query(
            "#open = :open AND acceptedAt < :before",
            {":open": OPEN, ":before": accepted_before},
            IndexName=OPEN_INDEX,
            ExpressionAttributeNames={"#open": OPEN},
        )
        yield from map(CommandRef.of_key, found)

    def fix_response(self, ids: CommandIds, response: Response) -> bool:
        """Records the response before it is sent. Returns False if one is recorded already, or there is no such command."""
        return self.table.write(command_key(ids), fixing(response))

    def mark_answered(self, ids: CommandIds, now: int) -> bool:
        """Notes that the response was sent, and removes the command from the index. False if that is noted already."""
        update = Update("SET answeredAt = :now REMOVE #open", _UNANSWERED, {":now": now}, {"#open": OPEN})
        return self.table.write(command_key(ids), update)


def fixing(response: Response) -> Update:
    """Returns the update that records a response, unless there is one."""
    condition = f"{_KNOWN} AND attribute_not_exists(#response)"
    return Update("SET #response = :response", condition, {":response": response.to_item()}, _RESPONSE)


def superseding(by: str) -> Update:
    """Returns the update that names the newer command of an unanswered one."""
    return Update("SET supersededBy = if_not_exists(supersededBy, :by)", _UNANSWERED, {":by": by})


def item(record: CommandRecord) -> Item:
    """Returns the command's item: the record, and its key."""
    return {**record.to_item(), **command_key(record)}


def _record(found: Item | None) -> CommandRecord | None:
    """Parses an item. The client's workspace can write each attribute except the key, so the key overrules them.

    Otherwise a stolen role of one client could make intake stop a run of another client, or make respond answer it.
    """
    if found is None:
        return None
    ids = CommandRef.of_key(found)
    record = CommandRecord.from_item({**found, "clientId": ids.client_id, "sessionId": ids.session_id})
    run = f":{execution_of(ids.client_id, ids.session_id, ids.command_id)}" if ids.client_id else None
    own_run = run is not None and record.execution_arn is not None and record.execution_arn.endswith(run)
    response = record.response.model_copy(update={"client_id": ids.client_id}) if record.response else None
    return record.model_copy(update={"execution_arn": record.execution_arn if own_run else None, "response": response})
