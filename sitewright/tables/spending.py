"""The spending table: what the model cost a client in a month. One item for each client and month.

It is a table of its own because a client's workspace can write its sessions and commands, but must not write this.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sitewright.tables.keys import spending_key
from sitewright.tables.table import Table, Update

KEPT_DAYS = 400
"""How long a month's item exists after its last change: over a year, for a look back."""


@dataclass(frozen=True)
class Spending:
    """The spending table."""

    table: Table

    def of_month(self, client_id: str, month: str) -> Decimal:
        """Returns the US dollars that were counted in a month, read consistently."""
        item = self.table.get(spending_key(client_id, month))
        return Decimal(item["usd"]) if item is not None else Decimal(0)


def month_of(now: int) -> str:
    """Returns the month of a time (milliseconds since the epoch) in UTC, like `2026-11`."""
    return datetime.fromtimestamp(now / 1000, UTC).strftime("%Y-%m")


def counting(usd: Decimal, now: int) -> Update:
    """Returns the update that adds a command's cost to a month."""
    values: dict[str, Any] = {":zero": 0, ":one": 1, ":usd": usd, ":ttl": now // 1000 + KEPT_DAYS * 86_400}
    return Update(
        "SET usd = if_not_exists(usd, :zero) + :usd, commands = if_not_exists(commands, :zero) + :one, #ttl = :ttl",
        None,
        values,
        {"#ttl": "ttl"},
    )
