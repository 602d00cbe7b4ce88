"""The workspace's exceptions. They carry data; nobody parses their text."""

from enum import StrEnum

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.publishing.errors import PublishStopped


class StopReason(StrEnum):
    """Why a step is stopped from outside."""

    INTERRUPT = "interrupt"
    """A newer command of the session was accepted."""
    TERMINATED = "terminated"
    """The runner got SIGTERM: StopTask, Spot, host maintenance."""
    CLAIM_LOST = "claim_lost"
    """Another workspace has the session's claim: this one must not write any more."""
    TOKEN_GONE = "token_gone"  # noqa: S105 - no password
    """Step Functions no longer waits for the step: the run was stopped or timed out."""


class WorkspaceError(Exception):
    """Base of the workspace's own exceptions."""


class StepStopped(WorkspaceError, PublishStopped):
    """The step was stopped from outside. Its children are dead when this is raised."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(f"step stopped: {reason}")
        self.reason = reason
        self.may_write_manifest = reason is not StopReason.CLAIM_LOST


class StepFailed(WorkspaceError):
    """The step cannot be done; the run goes to Salvage."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.error = ErrorInfo.of(code, message)


class Fenced(WorkspaceError, PublishStopped):
    """A write was refused: the claim is lost, or the run's generation is older than the session's."""


class WorkspaceBusy(WorkspaceError):
    """Another live workspace kept the session's claim for longer than a step may wait."""


class CredentialsUnavailable(WorkspaceError):
    """The git host did not give a token because it is down or busy: try again."""


class GitError(WorkspaceError):
    """A git command failed. `stderr` is scrubbed of credentials."""

    def __init__(self, command: str, returncode: int, stderr: str) -> None:
        super().__init__(f"git {command} exited with {returncode}: {stderr.strip()[-1500:]}")
        self.command = command
        self.returncode = returncode
        self.stderr = stderr
