"""Diagnoses an ECS STOPPED event: the step's error, and a message for a person. Pure.

The events' shape is in the Amazon ECS Developer Guide, "Amazon ECS task state change events". The texts are in "Amazon ECS
stopped tasks error messages" and its linked pages on CannotPullContainer and ResourceInitializationError.
"""

import re
from dataclasses import dataclass
from typing import Any

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.names import WORKSPACE_CONTAINER
from sitewright.contracts.sfn_errors import SfnError

EXIT_CODES = {
    1: "the runner failed without reporting (see the workspace's log)",
    3: "the session's claim went to another workspace, or the table could not be reached",
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

# Only ECS's words tell whether the next start may succeed. Permanent faults are matched first: ECS often wraps a wrong name
# or a missing right in "has been retried 5 time(s)".
PERMANENT_START = re.compile(
    r"""AccessDenied | access\ denied | not\ authorized | UnauthorizedOperation | no\ basic\ auth | authorization\ failed
    | \b40[134]\b | Forbidden | not\ found | NotFound | does\ not\ exist | can't\ find | manifest\ unknown
    | invalid | not\ contain\ descriptor | exec\ format | no\ such\ file | no\ space\ left""",
    re.VERBOSE | re.IGNORECASE,
)
TRANSIENT_START = re.compile(
    r"""capacity | RESOURCE:ENI | network\ interface | \bENI\b | InternalError | internal\ error | \bServerException\b
    | time[ds]?[ -]?out | deadline\ exceeded | request\ cancel | RequestCancel | connection\ (?:issue|reset|refused)
    | toomanyrequests | too\ many\ requests | rate\ (?:limit|exceeded) | pull\ rate | throttl | \b(?:429|50[0234])\b
    | unavailable | \bEOF\b | temporary\ failure | tls\ handshake | try\ again""",
    re.VERBOSE | re.IGNORECASE,
)

_NEVER_RAN = re.compile(r"Cannot(?:Pull|Start|Create|Inspect)|ResourceInitializationError|ContainerRuntimeTimeoutError")


@dataclass(frozen=True)
class Diagnosis:
    """The failure to report for the task's step."""

    error: SfnError
    info: ErrorInfo


def diagnose(detail: dict[str, Any]) -> Diagnosis | None:
    """Returns the diagnosis; None for a workspace that reported its result itself and exited with 0."""
    code, reason = detail.get("stopCode") or "", detail.get("stoppedReason") or ""
    containers = detail.get("containers") or []
    container: dict[str, Any] = next((c for c in containers if c.get("name") == WORKSPACE_CONTAINER), {})
    exit_code, container_reason = container.get("exitCode"), container.get("reason") or ""
    said = "; ".join(part for part in (reason, container_reason) if part)
    if code == "TaskFailedToStart" or (exit_code is None and _NEVER_RAN.search(said)):
        error = SfnError.CRASHED if may_start_later(said) else SfnError.CANNOT_START
        return _failed(error, ErrorCode.WORKSPACE_CANNOT_START, f"the workspace did not start: {said}")
    if "OutOfMemory" in said:
        message = f"the workspace ran out of memory; raise `memoryMib` of the site ({said})"
        return _failed(SfnError.CRASHED, ErrorCode.WORKSPACE_CRASHED, message)
    if exit_code == 0:
        return None
    if code in STOPPED_BY_OTHERS:
        message = f"{STOPPED_BY_OTHERS[code]} ({said or code})"
        return _failed(SfnError.STOPPED, ErrorCode.WORKSPACE_CRASHED, message)
    message = "the workspace ended, and no exit code was reported"
    if exit_code is not None:
        message = f"the workspace exited with {exit_code}: {EXIT_CODES.get(exit_code, 'see its log')}"
    message += f" ({said})" if said else ""
    return _failed(SfnError.CRASHED, ErrorCode.WORKSPACE_CRASHED, message)


def may_start_later(said: str) -> bool:
    """Tells whether another start may succeed after this reason. The state machine limits the number of tries."""
    return not PERMANENT_START.search(said) and TRANSIENT_START.search(said) is not None


def _failed(error: SfnError, code: ErrorCode, message: str) -> Diagnosis:
    return Diagnosis(error, ErrorInfo.of(code, message))
