"""The custom metrics of the platform: who sends them, and all values of their dimensions.

CloudWatch bills each combination of a name and its dimensions ($0.30 a month). So no dimension has a value for each client,
session or command: those are fields of log lines, which a query sums up.
"""

from dataclasses import dataclass

from sitewright.contracts.messages import ResponseStatus
from sitewright.contracts.steps import StepName

ANSWERED, PUBLISHED, WORKSPACE_ENDED = "command answered", "deployment recorded", "workspace ended"
"""The log lines that the dashboard's queries sum up by client: of respond, record_sync and task_stopped."""


@dataclass(frozen=True)
class Measure:
    """A metric in METRICS_NAMESPACE."""

    name: str
    service: str
    """The function that sends it: the dimension `service`, which Powertools adds."""
    dimension: str | None = None
    values: tuple[str, ...] = ()
    """All values of the dimension."""

    @property
    def series(self) -> int:
        """How many metrics CloudWatch bills for it at most."""
        return len(self.values) or 1


COMMAND_SECONDS = Measure("CommandSeconds", "respond", "status", tuple(ResponseStatus))
"""From acceptance to response, by outcome. The number of its samples is the number of commands."""

FAILED = Measure("Failed", "respond")
"""1 for a command that failed or timed out, 0 for any other that was accepted. Its average is their share."""

NO_CAPACITY = Measure("NoCapacity", "respond")
"""1 for a command that found no room for its workspace."""

MODEL_DOLLARS = Measure("ModelDollars", "respond")
"""What the model cost for a command (US dollars)."""

PUBLISHED_FILES = Measure("PublishedFiles", "respond")
"""Files that a command's publish uploaded or deleted: about as many requests to S3."""

STEP_SECONDS = Measure(
    "StepSeconds", "respond", "step", (StepName.AGENT, StepName.REPAIR, StepName.BUILD, StepName.PUSH)
)
"""Work of a step, without the wait for a workspace. The number of its samples is the number of steps."""

START_SECONDS = Measure("StartSeconds", "task_stopped")
"""From the order of a workspace until it ran. The number of its samples is the number of cold starts."""

MEASURES = (
    COMMAND_SECONDS,
    FAILED,
    NO_CAPACITY,
    MODEL_DOLLARS,
    PUBLISHED_FILES,
    STEP_SECONDS,
    START_SECONDS,
)
