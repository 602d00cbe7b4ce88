"""The events of the service: what one part of it tells another."""

from sitewright.contracts.base import Contract
from sitewright.contracts.error_codes import ErrorInfo
from sitewright.contracts.messages import ResponseStatus


class CommandNotStarted(Contract):
    """Detail of the event `Command Not Started`. Intake sends it to `respond` for a command that ends without a run."""

    client_id: str | None
    """None for a rejected message without a valid clientId."""
    session_id: str
    command_id: str
    status: ResponseStatus
    error: ErrorInfo | None = None
    superseded_by: str | None = None


class EndedRun(Contract):
    """A run that ended while its workspace was still saving. Input of the state machine that waits for the work."""

    client_id: str
    session_id: str
    command_id: str
    status: str
    """The run's final status."""
    error: str | None = None
    cause: str | None = None
    until: int
    """When the command is answered even if the work is not saved (ms)."""
