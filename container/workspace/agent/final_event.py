"""The meaning of the final event of a run of Claude Code: success, or which failure. Pure."""

from sitewright.contracts.error_codes import ErrorCode
from workspace.agent.driver_messages import DriverEvent
from workspace.errors import StepFailed

OVER_BUDGET = "error_max_budget_usd"
"""The result's subtype when Claude Code ends at its budget."""

_REJECTED_ERRORS = {"authentication_failed", "billing_error", "invalid_request", "model_not_found"}
_UNAVAILABLE_ERRORS = {"rate_limit", "server_error", "overloaded"}
_UNREACHABLE = ("unable to connect", "connection error", "connection refused", "timed out", "socket", "econn")
_REFUSED_CONTENT = {400, 413}
"""HTTP statuses that a resumed conversation can cause: it is too long, or a tool call lacks its result."""


def failure(event: DriverEvent) -> StepFailed | None:
    """Returns the failure behind a final event; None for success. Pure."""
    message = event.text or "Claude Code ended without saying why."
    if event.subtype == "error_max_turns":
        return StepFailed(ErrorCode.TURNS_EXCEEDED, f"The agent used all of its turns ({event.turns}).")
    if event.subtype == OVER_BUDGET:
        return StepFailed(
            ErrorCode.BUDGET_EXCEEDED, f"The agent used its whole budget ({event.cost_usd or 0:.2f} USD)."
        )
    if event.sitewright_agent == "result" and not event.is_error and event.subtype == "success":
        return None
    return StepFailed(code_of(event), message)


def code_of(event: DriverEvent) -> ErrorCode:
    """Returns the error code of a failed run."""
    status = event.api_status
    if status is not None:
        if status in {408, 409, 425, 429} or status >= 500:
            return ErrorCode.MODEL_UNAVAILABLE
        if status >= 400:
            return ErrorCode.MODEL_REJECTED
    if event.api_error in _REJECTED_ERRORS:
        return ErrorCode.MODEL_REJECTED
    lower = event.text.lower()
    if event.api_error in _UNAVAILABLE_ERRORS or (
        event.sitewright_agent == "result" and any(word in lower for word in _UNREACHABLE)
    ):
        return ErrorCode.MODEL_UNAVAILABLE
    return ErrorCode.AGENT_FAILED


def cannot_resume(event: DriverEvent) -> bool:
    """Returns whether a resumed conversation itself caused the failure in its final event. Pure."""
    if event.spoke or failure(event) is None:
        return False
    if event.api_status in _REFUSED_CONTENT:
        return event.api_error not in {"billing_error", "authentication_failed"}
    return code_of(event) is ErrorCode.AGENT_FAILED
