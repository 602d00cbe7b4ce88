"""The sessions table: the session's generation, its workspace's claim, and its mailbox.

Every transition is one conditional write, which depends on no earlier read. A disconnected workspace that comes back late
gets a refusal.
"""

from dataclasses import dataclass
from typing import Any

from sitewright.contracts.records import CommandRecord, SessionRecord
from sitewright.contracts.steps import StepRequest
from sitewright.tables.keys import SessionIds, client_and_session, session_key
from sitewright.tables.schema import CLAIM_IS_LIVE, OFFER, REFRESH
from sitewright.tables.table import Item, Table, Update

CLAIM_SECONDS = 10.0
"""How long a claim lasts after its last refresh."""

_OWN = "workspaceId = :me"
_FREE = (
    "(attribute_not_exists(workspaceId) OR workspaceId = :me OR attribute_not_exists(aliveUntil) OR aliveUntil < :now)"
)
_OFFERED = f"{_OWN} AND mailbox.taskToken = :token"
_IDLE = "idleSince, leaveAskedAt"
_NO_CLAIM = f"workspaceId, claimGeneration, serving, {_IDLE}"


@dataclass(frozen=True)
class Sessions:
    """The sessions table. Times are milliseconds since the epoch; `workspace_id` is the ECS task's ARN."""

    table: Table

    def read(self, ids: SessionIds) -> SessionRecord | None:
        """Returns the session, read consistently."""
        return _record(self.table.get(session_key(ids)))

    def peek(self, ids: SessionIds) -> SessionRecord | None:
        """Returns the session, read with eventual consistency, for a tenth of the price of `refresh`.

        The answer is only a hint: act on it by a conditional write. Raises botocore's exceptions without repetition.
        """
        return _record(self.table.peek(session_key(ids)))

    # The claim

    def claim(self, request: StepRequest, workspace_id: str, now: int) -> SessionRecord | None:
        """Takes the claim for the request, and empties the mailbox.

        Returns None if another workspace's claim is live, if a newer command was accepted, or if there is no such session.
        A step in the mailbox is obsolete: the run's only open state started this workspace, so no state waits for another
        step.
        """
        return self._update(
            request,
            "SET workspaceId = :me, aliveUntil = :until, claimGeneration = :generation, serving = :request "
            f"REMOVE mailbox, {_IDLE}",
            f"generation = :generation AND {_FREE}",
            {
                ":me": workspace_id,
                ":until": _until(now),
                ":generation": request.generation,
                ":request": request.to_item(),
                ":now": now,
            },
        )

    def refresh(self, ids: SessionIds, workspace_id: str, now: int, *, repeated: bool = True) -> SessionRecord | None:
        """Prolongs the claim. Returns None if the workspace does not have it any more."""
        values = {":me": workspace_id, ":until": _until(now)}
        update = Update(REFRESH, _OWN, values)
        return _record(self.table.update(session_key(ids), update, repeated=repeated))

    def finish_step(
        self, ids: SessionIds, workspace_id: str, generation: int, *, idle_since: int | None = None
    ) -> bool:
        """Notes that no step is under way and all work up to `generation` is saved. Returns False without the claim.

        With `idle_since` the run has ended, so the workspace may be asked to leave (`ask_to_leave`).
        """
        values = {":me": workspace_id, ":generation": generation}
        if idle_since is None:
            return self._write(ids, f"SET claimGeneration = :generation REMOVE serving, {_IDLE}", _OWN, values)
        expression = "SET claimGeneration = :generation, idleSince = :now REMOVE serving, leaveAskedAt"
        return self._write(ids, expression, _OWN, {**values, ":now": idle_since})

    def set_checkpoint(
        self, ids: SessionIds, workspace_id: str, key: str, conversation_id: str | None, *, now: int
    ) -> bool:
        """Records an object as the session's checkpoint. Returns False without the claim."""
        values: dict[str, Any] = {":me": workspace_id, ":checkpoint": key, ":now": now}
        expression = "SET checkpoint = :checkpoint, updatedAt = :now"
        if conversation_id is not None:
            values[":conversation"] = conversation_id
            expression += ", conversationId = :conversation"
        return self._write(ids, expression, _OWN, values)

    def release_idle(self, ids: SessionIds, workspace_id: str) -> bool:
        """Releases the claim if the mailbox is empty. Returns False if a step waits there, and without the claim."""
        condition = f"{_OWN} AND attribute_not_exists(mailbox)"
        return self._write(ids, f"REMOVE {_NO_CLAIM}, aliveUntil", condition, {":me": workspace_id})

    def abandon(self, ids: SessionIds, workspace_id: str) -> SessionRecord | None:
        """Releases the claim and empties the mailbox.

        Returns the session as it was before, or None without the claim. A step in its mailbox needs an answer.
        """
        update = Update(f"REMOVE {_NO_CLAIM}, aliveUntil, mailbox", _OWN, {":me": workspace_id})
        return _record(self.table.update(session_key(ids), update, returns="ALL_OLD"))

    def end_claim(self, ids: SessionIds, workspace_id: str) -> SessionRecord | None:
        """Ends the claim of a stopped workspace. Returns None if the workspace had no claim.

        The workspace's steps stay on the item until their tokens are answered (`clear_claim`). The event of the stopped
        task may be repeated, and must find the steps again.
        """
        return self._update(ids, "REMOVE aliveUntil", _OWN, {":me": workspace_id})

    def clear_claim(self, ids: SessionIds, workspace_id: str) -> None:
        """Removes an ended claim's workspace id and steps."""
        condition = f"{_OWN} AND attribute_not_exists(aliveUntil)"
        self._write(ids, f"REMOVE {_NO_CLAIM}, mailbox", condition, {":me": workspace_id})

    def ask_to_leave(self, ids: SessionIds, workspace_id: str, now: int) -> bool:
        """Asks an idle workspace to leave. Returns False if it is not idle any more, or was asked before.

        A workspace that gets an offer first takes the step and stays.
        """
        condition = (
            f"{_OWN} AND attribute_exists(idleSince) AND attribute_not_exists(leaveAskedAt) "
            "AND attribute_not_exists(mailbox) AND attribute_not_exists(serving) AND claimGeneration = generation"
        )
        return self._write(ids, "SET leaveAskedAt = :now", condition, {":me": workspace_id, ":now": now})

    # The mailbox

    def offer(self, request: StepRequest, workspace_id: str, now: int) -> bool:
        """Puts the step into the mailbox of another workspace with a live claim. Returns False if there is none."""
        condition = f"workspaceId <> :me AND {CLAIM_IS_LIVE}"
        values = {":me": workspace_id, ":mail": request.to_item(), ":now": now, ":generation": request.generation}
        return self._write(request, OFFER, condition, values)

    def take(self, request: StepRequest, workspace_id: str) -> SessionRecord | None:
        """Moves the step from the mailbox to `serving`.

        Returns None if the mailbox does not have the step any more, or if a newer command was accepted.
        """
        return self._update(
            request,
            f"SET serving = mailbox, claimGeneration = :generation REMOVE mailbox, {_IDLE}",
            f"{_OFFERED} AND generation = :generation",
            {":me": workspace_id, ":token": request.task_token, ":generation": request.generation},
        )

    def withdraw(self, request: StepRequest, workspace_id: str) -> None:
        """Removes an obsolete step from the mailbox, unless the mailbox has another step."""
        values = {":me": workspace_id, ":token": request.task_token}
        self._write(request, "REMOVE mailbox", _OFFERED, values)

    # The generation

    def raise_generation(self, ids: SessionIds, own: int) -> bool:
        """Raises the generation `own` by one, so that the workspace of that generation's run ends at once.

        Returns False if the session has another generation, because a newer command has raised it.
        """
        values = {":one": 1, ":own": own}
        return self._write(ids, "SET generation = generation + :one", "generation = :own", values)

    def _update(self, ids: SessionIds, expression: str, condition: str, values: Item) -> SessionRecord | None:
        return _record(self.table.update(session_key(ids), Update(expression, condition, values)))

    def _write(self, ids: SessionIds, expression: str, condition: str, values: Item) -> bool:
        return self.table.write(session_key(ids), Update(expression, condition, values))


def acceptance(command: CommandRecord, seen: SessionRecord | None, now: int) -> Update:
    """Returns the session's update that accepts a command, on condition that the session still equals `seen`."""
    return Update(
        "SET clientId = :client, sessionId = :session, chatThreadId = :thread, generation = :new, "
        "commandId = :command, updatedAt = :now, #ttl = :ttl",
        "generation = :seen" if seen else "attribute_not_exists(clientSession)",
        {
            ":client": command.client_id,
            ":session": command.session_id,
            ":thread": command.chat_thread_id,
            ":new": command.generation,
            ":command": command.command_id,
            ":now": now,
            ":ttl": command.ttl,
            **({":seen": seen.generation} if seen else {}),
        },
        {"#ttl": "ttl"},
    )


def _record(item: Item | None) -> SessionRecord | None:
    if item is None:
        return None
    # The key tells whose session it is: the workspace can write the other attributes.
    client_id, session_id = client_and_session(item)
    return SessionRecord.from_item({**item, "clientId": client_id, "sessionId": session_id})


def _until(now: int) -> int:
    return now + int(CLAIM_SECONDS * 1000)
