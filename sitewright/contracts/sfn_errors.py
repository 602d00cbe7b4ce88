"""The error names of a run, which the state machine knows."""

from enum import StrEnum


class SfnError(StrEnum):
    """Error names that the state machine retries or catches by name (`ErrorEquals`)."""

    CRASHED = "Workspace.Crashed"
    """The container died, or could not start for a transient reason. Retried: a new container restores the checkpoint."""
    STOPPED = "Workspace.Stopped"
    """The container got SIGTERM (Spot, maintenance, operator) and saved its work. Retried."""
    CANNOT_START = "Workspace.CannotStart"
    """The container cannot start (image, secret, role). Not retried: a retry would fail in the same way."""
    BUSY = "Workspace.Busy"
    """Another live workspace kept the session's claim for too long. Retried."""
    NO_CAPACITY = "Workspace.NoCapacity"
    """ECS starts no further workspace: the account's vCPU quota is used up, or the zone has no capacity. The run waited."""
    INTERRUPTED = "Workspace.Interrupted"
    """The session accepted a newer command. The run ends without Salvage: the work is saved already."""
    STEP_FAILED = "Step.Failed"
    """The step failed. The cause is an ErrorInfo as JSON."""
