"""Our own EventBridge events."""

from sitewright.contracts.base import Contract
from sitewright.contracts.error_codes import ErrorInfo
from sitewright.contracts.messages import ResponseStatus


class CommandNotStarted(Contract):
    """Detail of `Command Not Started`: intake tells `respond` that a command ends without a run."""

    session_id: str
    command_id: str
    status: ResponseStatus
    error: ErrorInfo | None = None
    superseded_by: str | None = None
