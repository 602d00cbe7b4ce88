"""The step `salvage`: saves the work of a failed run."""

from sitewright.contracts.steps import PushResult
from workspace.repository.commit_messages import wip_message
from workspace.step_context import StepContext
from workspace.steps import push_step

SUBJECT = "WIP: Run failed before commit"


def run(ctx: StepContext) -> PushResult:
    """Makes a WIP commit of the uncommitted edits. Then pushes like the step `push`, with the same errors."""
    request = ctx.request
    commit = ctx.checkout.commit_all(wip_message(SUBJECT, request.session_id, request.command_id))
    if commit is not None:
        ctx.log("uncommitted edits saved as a WIP commit", commit=commit)
    return push_step.run(ctx)
