"""How a step ended for the workspace, and the exit codes of the runner."""

from dataclasses import dataclass
from enum import Enum, auto

EXIT_DONE = 0
EXIT_UNREPORTED = 1
"""The report did not get through: the STOPPED event makes the `task_stopped` Lambda fail the token."""

EXIT_CLAIM_LOST = 3


class Follows(Enum):
    """The event that the workspace waits for after a step."""

    STEP = auto()
    """The run's next step."""
    NEWER_COMMAND = auto()
    """The first step of a newer command, which was accepted already."""
    NOTHING = auto()
    """The run needs no workspace any more. The session's next message may come."""


@dataclass(frozen=True)
class StepEnd:
    """How a step ended. The workspace either ends with exit code `code`, or waits."""

    code: int
    follows: Follows | None = None
    """None: the workspace ends. Otherwise it keeps the claim and waits."""
    settled: bool = False
    """All work of the command is saved."""
