"""What an answered command adds to the metrics. Pure."""

from lambdas.common.measurements import Measurement
from sitewright.contracts import metrics
from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.messages import Response, ResponseStatus
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import StepName

_FAILED = {ResponseStatus.FAILED, ResponseStatus.TIMED_OUT}


def measurements_of(command: CommandRecord, response: Response) -> list[Measurement]:
    """Returns the values of a command and its response."""
    seconds = (response.duration_ms or 0) / 1000
    found = [Measurement(metrics.COMMAND_SECONDS, seconds, response.status.value)]
    if response.status is ResponseStatus.REJECTED:
        return found
    found.append(Measurement(metrics.FAILED, float(response.status in _FAILED)))
    if response.error and response.error.code is ErrorCode.NO_CAPACITY:
        found.append(Measurement(metrics.NO_CAPACITY, 1.0))
    found.append(Measurement(metrics.MODEL_DOLLARS, response.cost_usd or 0.0))
    if command.build:
        found.append(Measurement(metrics.PUBLISHED_FILES, command.build.uploaded + command.build.deleted))
    found += [Measurement(metrics.STEP_SECONDS, took, step.value) for step, took in _steps(command).items()]
    return found


def _steps(command: CommandRecord) -> dict[StepName, float]:
    """Returns the seconds of each step that reported a result."""
    found: dict[StepName, float] = {}
    if command.agent:
        found[StepName.AGENT] = command.agent.seconds
    if command.repair:
        found[StepName.REPAIR] = command.repair.seconds
    if command.build:
        found[StepName.BUILD] = sum(command.build.seconds.values())
    if command.push:
        found[StepName.PUSH] = command.push.seconds
    return found
