"""The EventBridge events of the service."""

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
