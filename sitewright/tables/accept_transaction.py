"""Accepts a command: one transaction over the tables of sessions and commands."""

from typing import Any

from botocore.exceptions import ClientError

from sitewright.contracts.records import CommandRecord, SessionRecord
from sitewright.retry import TRANSACTION_CONFLICT, error_code
from sitewright.tables import commands as commands_table
from sitewright.tables import sessions as sessions_table
from sitewright.tables.commands import Commands
from sitewright.tables.keys import command_key, session_key
from sitewright.tables.sessions import Sessions
from sitewright.tables.table import serialized


def accept(
    sessions: Sessions,
    commands: Commands,
    command: CommandRecord,
    *,
    seen: SessionRecord | None,
    older: CommandRecord | None,
    now: int,
) -> bool:
    """Writes the new command, raises the session's generation, and names the new command on the older one.

    Args:
        sessions, commands: the tables.
        command: the record to write; its generation is one above the session's.
        seen: the session as it was read; None if there was none.
        older: the session's newest command so far, as it was read.
        now: milliseconds since the epoch.

    Returns False if one of the items has changed since it was read, or is being changed: read them anew and try again.

    The transaction updates the older command too. Its run may end as soon as the generation is raised, and its response
    must name the newer command. If the older command is answered meanwhile, the transaction fails, and the next one
    leaves it out.
    """
    items: list[Any] = [
        {
            "Put": {
                "TableName": commands.table.name,
                "Item": serialized(commands_table.item(command)),
                "ConditionExpression": commands_table.NEW,
            }
        },
        {
            "Update": {
                "TableName": sessions.table.name,
                "Key": serialized(session_key(command)),
                **sessions_table.acceptance(command, seen, now).arguments(),
            }
        },
    ]
    if older is not None and older.answered_at is None:
        items.append(
            {
                "Update": {
                    "TableName": commands.table.name,
                    "Key": serialized(command_key(older)),
                    **commands_table.superseding(command.command_id).arguments(),
                }
            }
        )
    try:
        commands.table.client.transact_write_items(TransactItems=items)
    except ClientError as error:
        if error_code(error) not in {"TransactionCanceledException", TRANSACTION_CONFLICT}:
            raise
        return False
    return True
