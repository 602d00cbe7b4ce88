"""Maps each step to its function.

All steps are imported at once. That takes 90 ms of CPU time, 78 of them for the publishing library. A workspace does
all steps of a command, so a later import would only move the time.
"""

from collections.abc import Callable

from sitewright.contracts.steps import AgentResult, BuildResult, PrepareResult, PushResult, StepName
from workspace.step_context import StepContext
from workspace.steps import agent_step, build_step, prepare_step, push_step, repair_step, salvage_step

StepResult = AgentResult | BuildResult | PrepareResult | PushResult

STEPS: dict[StepName, Callable[[StepContext], StepResult]] = {
    StepName.PREPARE: prepare_step.run,
    StepName.AGENT: agent_step.run,
    StepName.REPAIR: repair_step.run,
    StepName.BUILD: build_step.run,
    StepName.PUSH: push_step.run,
    StepName.SALVAGE: salvage_step.run,
}
