"""What a step is asked to do and what it answers. The results are what an operator reads in the console."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import Field

from sitewright.contracts.base import Contract
from sitewright.contracts.error_codes import ErrorInfo

RESULT_FILES_LISTED = 100
"""Paths in a step's result: the payload of a state is limited to 256 KiB, the command record holds more."""

LOST_LISTED = 50
"""Keys of lost assets in a result and in a record; an item holds 400 KB."""


class StepName(StrEnum):
    """A piece of a run done in the workspace."""

    AGENT = "agent"
    REPAIR = "repair"
    """The agent again, with the error of the build that its edit broke."""
    BUILD = "build"
    PUSH = "push"
    SALVAGE = "salvage"
    """Push what there is, uncommitted edits as a WIP commit, after a run failed."""


class StepRequest(Contract):
    """One step, as the state machine hands it to the workspace: in environment variables (see StepEnv) or the mailbox."""

    step: StepName
    task_token: str = Field(repr=False)
    session_id: str
    command_id: str
    generation: int


TOKEN_GONE = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})
"""Error codes of SendTaskSuccess, -Failure and -Heartbeat for a token whose state has ended: nothing waits for it any more."""


class StepEnv(StrEnum):
    """Names of the environment variables in the container override. Only ids travel: overrides end at 8,192 characters."""

    STEP = "SITEWRIGHT_STEP"
    TASK_TOKEN = "SITEWRIGHT_TASK_TOKEN"
    SESSION_ID = "SITEWRIGHT_SESSION_ID"
    COMMAND_ID = "SITEWRIGHT_COMMAND_ID"
    GENERATION = "SITEWRIGHT_GENERATION"


def step_request_from_env(env: dict[str, str]) -> StepRequest:
    """The request in a container's environment (or in the overrides of an ECS event). Raises pydantic.ValidationError."""
    values: dict[str, Any] = {
        "step": env.get(StepEnv.STEP),
        "task_token": env.get(StepEnv.TASK_TOKEN),
        "session_id": env.get(StepEnv.SESSION_ID),
        "command_id": env.get(StepEnv.COMMAND_ID),
        "generation": env.get(StepEnv.GENERATION),
    }
    return StepRequest.model_validate(values)


class AgentResult(Contract):
    """What Claude Code did. `files_changed` are paths relative to the repository, sorted."""

    files_changed: list[str] = []
    files_changed_count: int = 0
    summary: str = ""
    conversation_id: str | None = None
    cost_usd: float | None = None
    turns: int | None = None
    seconds: float = 0.0


class RepairResult(AgentResult):
    """What Claude Code did about a build that its edit broke. A repair that fails is an answer, not a failed step.

    Files, cost, turns and seconds are those of all attempts of the command together, the summary is the newest's.
    """

    changed: bool = False
    """The newest attempt changed something: another build is worth its time, however the attempt ended."""
    error: ErrorInfo | None = None
    """Why the newest attempt came to no end, or was not begun."""


class BuildResult(Contract):
    """The commit, the build and the publish. A failed build or publish is an answer, not a failed step."""

    commit: str | None = None
    """The commit that was built; also set where nothing new was committed."""
    committed: bool = False
    build_success: bool = False
    deploy_success: bool = False
    deployment_id: str | None = None
    skipped: bool = False
    """The live deployment was this very commit already: nothing was built."""
    uploaded: int = 0
    deleted: int = 0
    unchanged: int = 0
    lost: list[str] = []
    """Assets of older pages that somebody deleted or overwrote by hand and that could not be brought back: the first ones."""
    lost_count: int = 0
    error: ErrorInfo | None = None
    broken_by_edit: bool = False
    """The build failed, and as far as can be told because of the command's own edit: the agent may repair it."""
    notes: list[str] = []
    """What the site's operator should know though nothing failed: sentences for the response's summary."""
    seconds: dict[str, float] = Field(default_factory=dict)
    """Seconds by part: restore, commit, install, build, publish."""


class SyncResult(Contract):
    """What the bookkeeping found. `drift` are keys whose object is not what the manifest says."""

    deployment_id: str
    files: int
    bytes: int
    drift: list[str] = []
    drift_count: int = 0
    expiring: int = 0
    """Hashed assets no page uses any more, kept for the grace period."""
    due: int = 0
    """Of those, how many the next publish deletes."""


class PushResult(Contract):
    """Where the commits are now."""

    commit: str | None = None
    branch: str | None = None
    """The remote branch that holds `commit`: the session's, or a rescue branch."""
    pushed: bool = False
    rebased: bool = False
    error: ErrorInfo | None = None
    """Set for a conflict: the commits are safe on the rescue branch, and somebody has to merge it."""
    seconds: float = 0.0


class LostCheckpoint(Contract):
    """The session's checkpoint was damaged: edits in it that were not pushed are lost, and so is the conversation."""

    key: str
    reason: str


class Interruption(Contract):
    """What the workspace saved of a command that a newer one interrupted."""

    step: StepName
    commit: str | None = None
    """The WIP commit, or the branch's head where nothing was uncommitted."""
    pushed: bool = False
    pushing: bool = False
    """The push is still under way beside the next command's work; a second record tells how it ended."""
    files_changed: list[str] = []
    published: int = 0
    """Files of a partial publish."""


@dataclass(frozen=True)
class StepKind:
    """What the workspace has to know of a step besides its function."""

    attribute: str
    """The attribute of the command's item that holds the result."""
    result: type[Contract]
    agent_at_work: bool = False
    """Claude Code edits the checkout: its edits are checkpointed meanwhile."""
    last_of_run: bool = False
    """The run has nothing left for the workspace after it."""


STEP_KINDS: Mapping[StepName, StepKind] = {
    StepName.AGENT: StepKind("agent", AgentResult, agent_at_work=True),
    StepName.REPAIR: StepKind("repair", RepairResult, agent_at_work=True),
    StepName.BUILD: StepKind("build", BuildResult),
    StepName.PUSH: StepKind("push", PushResult, last_of_run=True),
    StepName.SALVAGE: StepKind("push", PushResult, last_of_run=True),
}
"""Every step, once. Its function stands in `workspace.steps.step_registry`, its state in `stacks.constructs.workflow`."""


class ExecutionInput(Contract):
    """The input of a run: ids only, the workspace reads the command from the table."""

    session_id: str
    command_id: str
    client_id: str
    chat_thread_id: str
    generation: int
