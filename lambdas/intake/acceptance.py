"""Accepts a command once: reads the session, writes both items in one transaction, and repeats both on a conflict."""

import random
import time
from collections.abc import Callable

from sitewright.contracts.error_codes import ErrorInfo
from sitewright.contracts.messages import Command
from sitewright.contracts.names import execution_name
from sitewright.contracts.records import RECORD_TTL_DAYS, CommandRecord, SessionRecord, SiteEntry
from sitewright.contracts.storable_ids import storable_id
from sitewright.tables.accept_transaction import accept
from sitewright.tables.commands import Commands
from sitewright.tables.keys import CommandIds, CommandRef
from sitewright.tables.schema import OPEN
from sitewright.tables.sessions import Sessions

ATTEMPTS = 20
"""Maximum number of transactions. The workspace refreshes the session's item twice a second, which may conflict."""


class AcceptError(Exception):
    """All transactions conflicted. The queue delivers the message again."""


class SessionMismatch(Exception):
    """The session belongs to another chat thread of its client."""

    def __init__(self, session: SessionRecord) -> None:
        super().__init__("session mismatch")
        self.session = session


def accept_command(
    sessions: Sessions,
    commands: Commands,
    command: Command,
    site: SiteEntry,
    *,
    now: int,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[CommandRecord, bool]:
    """Accepts the command once and raises the session's generation. Returns the record, and whether it is new.

    Raises SessionMismatch, AcceptError.
    """
    for attempt in range(ATTEMPTS):
        known = commands.read(command)
        if known:
            return known, False
        session = sessions.read(command)
        if session and session.chat_thread_id != command.chat_thread_id:
            raise SessionMismatch(session)
        record = accepted_record(command, site, session, now)
        older = commands.read(CommandRef.beside(record, record.supersedes)) if record.supersedes else None
        if accept(sessions, commands, record, seen=session, older=older, now=now):
            return record, True
        sleep(random.uniform(0, min(0.4, 0.02 * 2**attempt)))  # noqa: S311 - jitter, no secret
    raise AcceptError(f"session {command.session_id} was too busy to accept {command.command_id}")


def accepted_record(command: Command, site: SiteEntry, session: SessionRecord | None, now: int) -> CommandRecord:
    """Returns the item of a command that is accepted at `now` (ms) as the session's next command."""
    machine = site.state_machine_arn.replace(":stateMachine:", ":execution:")
    return CommandRecord(
        client_id=command.client_id,
        session_id=command.session_id,
        command_id=command.command_id,
        chat_thread_id=command.chat_thread_id,
        instruction=command.instruction,
        user_id=command.user_id,
        prepare=command.prepare or None,
        allow=command.allow or None,
        generation=(session.generation if session else 0) + 1,
        supersedes=session.command_id if session else None,
        accepted_at=now,
        site_url=site.site_url,
        execution_arn=f"{machine}:{execution_name(command.session_id, command.command_id)}",
        open=OPEN,
        ttl=_ttl(now),
    )


def rejected_record(message: CommandIds, error: ErrorInfo, now: int) -> CommandRecord:
    """Returns the item of a rejected command.

    Replaces ids that SQS or DynamoDB does not take by hashes, and stores the original ids too.
    """
    session_id, command_id = message.session_id, message.command_id
    stored_session, stored_command = storable_id(session_id), storable_id(command_id)
    return CommandRecord(
        client_id=message.client_id,
        session_id=stored_session,
        command_id=stored_command,
        original_session_id=session_id if stored_session != session_id else None,
        original_command_id=command_id if stored_command != command_id else None,
        accepted_at=now,
        rejection=error,
        open=OPEN,
        ttl=_ttl(now),
    )


def _ttl(now: int) -> int:
    return now // 1000 + RECORD_TTL_DAYS * 86_400
