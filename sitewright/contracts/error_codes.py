"""Every error a client can meet: its code and what to do about it. One place, so that no two texts disagree."""

from enum import StrEnum

from sitewright.contracts.base import Contract


class ErrorCode(StrEnum):
    """The `error.code` of a response. Part of the interface: renaming one breaks clients."""

    INVALID_MESSAGE = "invalid_message"
    UNKNOWN_CLIENT = "unknown_client"
    SESSION_MISMATCH = "session_mismatch"
    AGENT_FAILED = "agent_failed"
    AGENT_TIMED_OUT = "agent_timed_out"
    BUDGET_EXCEEDED = "budget_exceeded"
    TURNS_EXCEEDED = "turns_exceeded"
    MODEL_UNAVAILABLE = "model_unavailable"
    MODEL_REJECTED = "model_rejected"
    BUILD_FAILED = "build_failed"
    PUBLISH_FAILED = "publish_failed"
    INVALIDATION_FAILED = "invalidation_failed"
    SYNC_CHECK_FAILED = "sync_check_failed"
    GIT_AUTH_FAILED = "git_auth_failed"
    GIT_UNAVAILABLE = "git_unavailable"
    REPOSITORY_EMPTY = "repository_empty"
    PUSH_CONFLICT = "push_conflict"
    PUSH_FAILED = "push_failed"
    WORKSPACE_CRASHED = "workspace_crashed"
    WORKSPACE_CANNOT_START = "workspace_cannot_start"
    WORKSPACE_BUSY = "workspace_busy"
    RUN_STOPPED = "run_stopped"
    RUN_TIMED_OUT = "run_timed_out"
    INTERRUPTED = "interrupted"
    INTERNAL = "internal_error"


REMEDIES: dict[ErrorCode, str] = {
    ErrorCode.INVALID_MESSAGE: "Correct the named field and send the command again with a new commandId.",
    ErrorCode.UNKNOWN_CLIENT: "Add the site to the `sites` list in cdk.json and deploy, or correct the clientId.",
    ErrorCode.SESSION_MISMATCH: "A session keeps its clientId and chatThreadId: start a new session for another one.",
    ErrorCode.AGENT_FAILED: "Open the run in the Step Functions console for the agent's log, then send the command again.",
    ErrorCode.AGENT_TIMED_OUT: "Ask for a smaller change, or raise `agentTimeoutSeconds` of the site.",
    ErrorCode.BUDGET_EXCEEDED: "Ask for a smaller change, or raise `maxBudgetUsd` of the site.",
    ErrorCode.TURNS_EXCEEDED: "Ask for a smaller change, or raise `maxTurns` of the site.",
    ErrorCode.MODEL_UNAVAILABLE: "The model's service was overloaded or out of reach: send the command again in a few minutes.",
    ErrorCode.MODEL_REJECTED: "Check the model key in the site's secret and the `model` setting of the site.",
    ErrorCode.BUILD_FAILED: "The site stays as it was. Send a command that describes the error, or revert the commit.",
    ErrorCode.PUBLISH_FAILED: "The next command publishes again. Check that the workspace role may write the site bucket.",
    ErrorCode.INVALIDATION_FAILED: (
        "The site is published; CloudFront may still serve older copies of files that are cached for long: "
        "invalidate /* of the distribution by hand, or let the next publish do it."
    ),
    ErrorCode.SYNC_CHECK_FAILED: "The site is published, its bookkeeping is not: see the record_sync log; the next run repeats it.",
    ErrorCode.GIT_AUTH_FAILED: "Put a token with write access to the repository into the site's git token secret.",
    ErrorCode.GIT_UNAVAILABLE: "The git host did not answer. The edits are kept in the checkpoint and go out with the next command.",
    ErrorCode.REPOSITORY_EMPTY: "Push a first commit to the repository's default branch, then send the command again.",
    ErrorCode.PUSH_CONFLICT: "Merge the rescue branch named in the message into the session's branch by hand.",
    ErrorCode.PUSH_FAILED: "See the git host's answer in the message. The edits are kept in the checkpoint.",
    ErrorCode.WORKSPACE_CRASHED: "Send the command again; if it happens twice, read the diagnosis and the workspace's log.",
    ErrorCode.WORKSPACE_CANNOT_START: "Send the command again; if it happens twice, check image, secrets, subnets and roles.",
    ErrorCode.WORKSPACE_BUSY: "Another workspace of this session did not finish in time: send the command again.",
    ErrorCode.RUN_STOPPED: "Somebody stopped the run. Send the command again if it should go on.",
    ErrorCode.RUN_TIMED_OUT: "Ask for a smaller change, or raise `runTimeoutSeconds` of the site.",
    ErrorCode.INTERRUPTED: "Nothing to do: the newer command carries on from the saved edits.",
    ErrorCode.INTERNAL: "Open the run in the Step Functions console; report the error with its commandId.",
}


class ErrorInfo(Contract):
    """What went wrong, where, and what to do: the `error` of a response and of a step's result."""

    code: ErrorCode
    message: str
    remedy: str

    @classmethod
    def of(cls, code: ErrorCode, message: str) -> "ErrorInfo":
        """An error with the catalogue's remedy; the message is cut at 2,000 characters."""
        return cls(code=code, message=message[:2000], remedy=REMEDIES[code])


class SfnError(StrEnum):
    """Error names that the state machine retries or catches by name (`ErrorEquals`)."""

    CRASHED = "Workspace.Crashed"
    """The container died, or could not start for a reason that passes; a fresh one restores the checkpoint. Retried."""
    STOPPED = "Workspace.Stopped"
    """The container was asked to stop (SIGTERM: Spot, maintenance, operator) and saved its work. Retried."""
    CANNOT_START = "Workspace.CannotStart"
    """The container cannot start (image, secret, role): a retry would fail alike."""
    BUSY = "Workspace.Busy"
    """Another live workspace kept the session's claim for too long."""
    INTERRUPTED = "Workspace.Interrupted"
    """A newer command of the session was accepted: the run ends without Salvage, the work is saved already."""
    STEP_FAILED = "Step.Failed"
    """The step itself failed; the cause is an ErrorInfo as JSON."""
