"""The step `prepare`: installs and builds once, so that the session's first instruction meets a warm workspace.

It commits and publishes nothing. The next build replaces what it leaves in dist.
"""

from sitewright.contracts.steps import PrepareResult
from workspace.step_context import StepContext
from workspace.steps import build_step


def run(ctx: StepContext) -> PrepareResult:
    """Builds the checkout as it is. Raises StepStopped, Fenced."""
    ctx.fence.verify()
    error, seconds = build_step.try_build(ctx)
    return PrepareResult(build_success=error is None, error=error, seconds=seconds)
