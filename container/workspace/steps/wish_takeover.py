"""Takes over what interrupted commands of the session left undone, and notes which ones."""

from botocore.exceptions import BotoCoreError, ClientError

from workspace.agent.prompt.unfinished_wishes import Carried, carried, unfinished
from workspace.claim.session import commands_table
from workspace.step_context import StepContext
from workspace.steps.earlier_commands import earlier_command


def take_over(ctx: StepContext) -> Carried:
    """Returns what interrupted commands left undone, and notes on the command's item which ones it covers."""
    command = ctx.command
    taken = carried(command, unfinished(command, lambda command_id: earlier_command(ctx, command_id)))
    if taken.left_out:
        ctx.log("interrupted commands do not fit into the prompt", level="warning", commands=taken.left_out)
    if taken.covers:
        ctx.progress(f"Carrying out what was interrupted too: {', '.join(taken.covers)}")
    if taken.covers and taken.covers != command.covers:
        try:
            commands_table(ctx.aws, ctx.settings.commands_table).set_covers(ctx.request, taken.covers)
        except (ClientError, BotoCoreError) as error:
            # The answer lacks the ids then. The wishes are carried out all the same.
            ctx.log("the covered commands could not be noted", level="warning", error=str(error))
    return taken
