"""How a step ends for the workspace, and the exit codes of the runner."""

from dataclasses import dataclass

EXIT_DONE = 0
EXIT_UNREPORTED = 1
"""The report did not get through: the STOPPED event makes the `task_stopped` Lambda fail the token."""

EXIT_CLAIM_LOST = 3


@dataclass(frozen=True)
class StepEnd:
    """How a step's part in the workspace ended."""

    code: int
    """The runner's exit code if it ends now."""
    stays: bool = False
    """The claim is still held, and the workspace waits for the next step."""
    settled: bool = False
    """Nothing of the command is left to be saved."""
