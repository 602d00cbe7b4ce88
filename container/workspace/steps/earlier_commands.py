"""Reads earlier commands of a step's session."""

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.records import CommandRecord
from sitewright.tables.keys import CommandRef
from workspace.claim.session import commands_table
from workspace.step_context import StepContext


def earlier_command(ctx: StepContext, command_id: str) -> CommandRecord | None:
    """Returns an earlier command of the session; None if it cannot be read."""
    try:
        ref = CommandRef.beside(ctx.request, command_id)
        return commands_table(ctx.aws, ctx.settings.commands_table).read(ref)
    except (ClientError, BotoCoreError) as unknown:
        ctx.log("how the command before ended is not known", commandBefore=command_id, error=str(unknown))
        return None
