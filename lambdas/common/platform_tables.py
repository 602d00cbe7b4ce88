"""Opens the platform's tables for the functions."""

from functools import cache

from lambdas.common.aws_clients import client
from lambdas.common.settings import settings
from sitewright.retry import Backoff
from sitewright.tables.commands import Commands
from sitewright.tables.deployments import Deployments
from sitewright.tables.sessions import Sessions
from sitewright.tables.spending import Spending
from sitewright.tables.table import Table

BACKOFF = Backoff(seconds=1.6, first=0.05, longest=0.8)
"""How long a call is repeated in addition to boto3's own retries.

They do not cover the conflict with a transaction on the same item. Without these repetitions, intake's transaction could
fail a write of the previous command's step.
"""


@cache
def sessions() -> Sessions:
    """Returns the sessions table."""
    return Sessions(_table("SESSIONS_TABLE"))


@cache
def commands() -> Commands:
    """Returns the commands table."""
    return Commands(_table("COMMANDS_TABLE"))


@cache
def deployments() -> Deployments:
    """Returns the deployments table."""
    return Deployments(_table("DEPLOYMENTS_TABLE"))


@cache
def spending() -> Spending:
    """Returns the spending table."""
    return Spending(_table("SPENDING_TABLE"))


def _table(setting: str) -> Table:
    return Table(client("dynamodb"), settings().need(setting), BACKOFF)
