"""From an ECS STOPPED event to what happened, and what to do. Pure.

Shapes: Amazon ECS Developer Guide, "Task state change events" and "Stopped tasks error codes".
"""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from contracts.errors import ErrorCode, ErrorInfo, SfnError
from contracts.names import WORKSPACE_CONTAINER
from contracts.steps import StepRequest, step_request_from_env

EXIT_CODES = {
    1: "the runner failed without reporting (see the workspace's log)",
    126: "the container's command cannot be executed (wrong architecture or permissions of the image)",
    127: "the container's command was not found in the image",
    134: "the runner aborted (SIGABRT)",
    137: "the container was killed (SIGKILL): out of memory, or it did not stop in time",
    139: "the runner crashed (SIGSEGV)",
    143: "the container was terminated (SIGTERM)",
}

STOPPED_BY_OTHERS = {
    "UserInitiated": "somebody stopped the task",
    "ServiceSchedulerInitiated": "the scheduler stopped the task (host maintenance)",
    "SpotInterruption": "AWS took the Spot capacity back",
    "TerminationNotice": "AWS terminates the host",
}


@dataclass(frozen=True)
class Diagnosis:
    """What happened to the task, as the step's failure tells it."""

    error: SfnError
    info: ErrorInfo


def request_of(detail: dict[str, Any]) -> StepRequest | None:
    """The step the task ran, from its overrides; None for a task that is none of ours."""
    for override in detail.get("overrides", {}).get("containerOverrides", []):
        if override.get("name") == WORKSPACE_CONTAINER:
            env = {pair["name"]: pair.get("value", "") for pair in override.get("environment", [])}
            try:
                return step_request_from_env(env)
            except ValidationError:
                return None
    return None


def diagnose(detail: dict[str, Any]) -> Diagnosis | None:
    """The diagnosis; None for a workspace that reported by itself and exited with 0."""
    code, reason = detail.get("stopCode") or "", detail.get("stoppedReason") or ""
    container: dict[str, Any] = next(
        (c for c in detail.get("containers", []) if c.get("name") == WORKSPACE_CONTAINER), {}
    )
    exit_code, container_reason = container.get("exitCode"), container.get("reason") or ""
    said = "; ".join(part for part in (reason, container_reason) if part)
    if code == "TaskFailedToStart" or (exit_code is None and "Cannot" in said):
        return _failed(SfnError.CANNOT_START, ErrorCode.WORKSPACE_CANNOT_START, f"the workspace did not start: {said}")
    if "OutOfMemory" in said:
        message = f"the workspace ran out of memory; raise `memoryMib` of the site ({said})"
        return _failed(SfnError.CRASHED, ErrorCode.WORKSPACE_CRASHED, message)
    if exit_code == 0:
        return None
    if code in STOPPED_BY_OTHERS:
        message = f"{STOPPED_BY_OTHERS[code]} ({said or code})"
        return _failed(SfnError.STOPPED, ErrorCode.WORKSPACE_CRASHED, message)
    meaning = EXIT_CODES.get(exit_code, "no exit code was reported") if exit_code is not None else "no exit code"
    message = f"the workspace exited with {exit_code}: {meaning}" + (f" ({said})" if said else "")
    return _failed(SfnError.CRASHED, ErrorCode.WORKSPACE_CRASHED, message)


def _failed(error: SfnError, code: ErrorCode, message: str) -> Diagnosis:
    return Diagnosis(error, ErrorInfo.of(code, message))
