"""The request and the result of each step. An operator reads the results in the console."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import Field

from sitewright.contracts.base import Contract
from sitewright.contracts.error_codes import ErrorInfo
from sitewright.contracts.error_sources import ErrorSource

RESULT_FILES_LISTED = 100
"""Maximum number of paths in a step's result: a state's payload is limited to 256 KiB. The command's record lists more."""

LOST_LISTED = 50
"""Maximum number of lost assets' keys in a result and in a record: an item is limited to 400 KB."""


PAGES_LISTED = 20
"""Maximum number of removed pages in a result and in a response."""


class StepName(StrEnum):
    """The part of a run that a workspace does at once."""

    PREPARE = "prepare"
    """Installs and builds, so that the session's first instruction meets a warm workspace. Edits and publishes nothing."""

    AGENT = "agent"
    REPAIR = "repair"
    """Runs the agent again, with the error of the build that its edit broke."""
    BUILD = "build"
    PUSH = "push"
    SALVAGE = "salvage"
    """Pushes the commits of a failed run, and its uncommitted edits as a WIP commit."""


class StepRequest(Contract):
    """One step, as the state machine sends it to the workspace: in environment variables (StepEnv) or the mailbox."""

    step: StepName
    task_token: str = Field(repr=False)
    client_id: str
    session_id: str
    command_id: str
    generation: int


TOKEN_GONE = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})
"""Error codes of SendTaskSuccess, -Failure and -Heartbeat for a token whose state has ended."""


class StepEnv(StrEnum):
    """The environment variables in the container override. They carry ids only: overrides are limited to 8,192 characters."""

    STEP = "SITEWRIGHT_STEP"
    TASK_TOKEN = "SITEWRIGHT_TASK_TOKEN"
    CLIENT_ID = "SITEWRIGHT_CLIENT_ID"
    """Also the variable of the setting, with the same value. The override repeats it: an ECS event shows overrides only."""
    SESSION_ID = "SITEWRIGHT_SESSION_ID"
    COMMAND_ID = "SITEWRIGHT_COMMAND_ID"
    GENERATION = "SITEWRIGHT_GENERATION"


def step_request_from_env(env: dict[str, str]) -> StepRequest:
    """Parses the request in a container's environment, or in an ECS event's overrides. Raises pydantic.ValidationError."""
    values: dict[str, Any] = {
        "step": env.get(StepEnv.STEP),
        "task_token": env.get(StepEnv.TASK_TOKEN),
        "client_id": env.get(StepEnv.CLIENT_ID),
        "session_id": env.get(StepEnv.SESSION_ID),
        "command_id": env.get(StepEnv.COMMAND_ID),
        "generation": env.get(StepEnv.GENERATION),
    }
    return StepRequest.model_validate(values)


class AgentResult(Contract):
    """The result of Claude Code's work. `files_changed` are paths relative to the repository, sorted."""

    files_changed: list[str] = []
    files_changed_count: int = 0
    summary: str = ""
    conversation_id: str | None = None
    cost_usd: float | None = None
    turns: int | None = None
    seconds: float = 0.0
    unresolved: list[str] = []
    """Files in which newer work of the site contradicts the session's, and the agent could not bring both together."""


class PrepareResult(Contract):
    """The result of a preparation. A site that cannot be built is a result, not a failed step."""

    build_success: bool = False
    error: ErrorInfo | None = None
    seconds: dict[str, float] = Field(default_factory=dict)
    """Seconds by part: install, build."""


class RepairResult(AgentResult):
    """The result of a repair. A repair that fails is a result, not a failed step.

    Files, cost, turns and seconds cover all attempts of the command. The summary is the newest attempt's.
    """

    changed: bool = False
    """Whether the newest attempt changed a file. Then the run builds again, even if the attempt failed."""
    merged: bool = False
    """Whether it brought the edit together with what is live, in place of repairing a build."""
    error: ErrorInfo | None = None
    """Why the newest attempt failed, or was not begun."""


class BuildResult(Contract):
    """The result of commit, build and publish. A failed build or publish is a result, not a failed step."""

    commit: str | None = None
    """The commit that was built. It is set even if the step committed nothing new."""
    committed: bool = False
    build_success: bool = False
    deploy_success: bool = False
    deployment_id: str | None = None
    skipped: bool = False
    """Whether the build was skipped: the live deployment has the same commit, or the command changed nothing.

    In the second case `deploy_success` is false, and `deployment_id` is the live deployment's, if anything is live.
    """
    uploaded: int = 0
    deleted: int = 0
    unchanged: int = 0
    lost: list[str] = []
    """The first assets of older pages that were deleted or overwritten manually and could not be healed."""
    lost_count: int = 0
    pages_removed: list[str] = []
    """The first pages that the publish removed, as paths."""
    pages_removed_count: int = 0
    broken_links: int = 0
    """Paths of the site's own host that the changed pages name and that lead nowhere."""
    error: ErrorInfo | None = None
    broken_by_edit: bool = False
    """Whether the build failed or was not let live, probably because of the command's own edit. Then the agent may repair it."""
    notes: list[str] = []
    """Notes for the site's operator, although nothing failed: sentences for the response's summary."""
    seconds: dict[str, float] = Field(default_factory=dict)
    """Seconds by part: commit, takeIn, install, build, publish."""

    @property
    def is_refused(self) -> bool:
        """Whether the site was built, and the judge refused to publish it."""
        return self.error is not None and self.error.code.reporter is ErrorSource.JUDGE


class SyncResult(Contract):
    """The result of record_sync. `drift` are keys whose object differs from the manifest's entry."""

    deployment_id: str
    files: int
    bytes: int
    drift: list[str] = []
    drift_count: int = 0
    expiring: int = 0
    """Number of retired assets: no page uses them any more, and the grace period keeps them."""
    due: int = 0
    """Number of retired assets that the next publish deletes."""


class PushResult(Contract):
    """The result of a push: the branch that contains the commits."""

    commit: str | None = None
    branch: str | None = None
    """The remote branch that contains `commit`: the session's branch or a rescue branch."""
    pushed: bool = False
    rebased: bool = False
    error: ErrorInfo | None = None
    """Set for a conflict. The rescue branch then contains the commits, and a person has to merge it."""
    seconds: float = 0.0


class LostCheckpoint(Contract):
    """A damaged checkpoint of the session. Its unpushed edits are lost, and so is the conversation."""

    key: str
    reason: str


class Interruption(Contract):
    """The work that the workspace saved when a newer command interrupted this one."""

    step: StepName
    commit: str | None = None
    """The WIP commit, or the branch's head if all edits were committed."""
    pushed: bool = False
    pushing: bool = False
    """Whether the push still runs during the next command's work. A second record then has its result."""
    files_changed: list[str] = []
    published: int = 0
    """Number of files in a partial publish."""


@dataclass(frozen=True)
class StepKind:
    """The properties of a step that the workspace needs besides the step's function."""

    attribute: str
    """The attribute of the command's item that contains the result."""
    result: type[Contract]
    agent_at_work: bool = False
    """Whether Claude Code edits the checkout. The workspace then makes checkpoints during the step."""
    last_of_run: bool = False
    """Whether the run needs no workspace after this step."""


STEP_KINDS: Mapping[StepName, StepKind] = {
    StepName.PREPARE: StepKind("prepared", PrepareResult, last_of_run=True),
    StepName.AGENT: StepKind("agent", AgentResult, agent_at_work=True),
    StepName.REPAIR: StepKind("repair", RepairResult, agent_at_work=True),
    StepName.BUILD: StepKind("build", BuildResult),
    StepName.PUSH: StepKind("push", PushResult, last_of_run=True),
    StepName.SALVAGE: StepKind("push", PushResult, last_of_run=True),
}
"""All steps. `workspace.steps.step_registry` has their functions, `stacks.site.workflow` their states."""


class WorkspaceNetwork(Contract):
    """Where Fargate starts a workspace."""

    subnets: list[str]
    security_group: str


class ExecutionInput(Contract):
    """The input of a run: ids, because the workspace reads the command from the table, and the network.

    Intake knows the network from the platform's stack. So no state machine of a site names a subnet, and the platform can
    replace its network without an update of all sites.
    """

    client_id: str
    session_id: str
    command_id: str
    chat_thread_id: str
    generation: int
    prepare: bool = False
    """Whether the run only prepares the workspace."""
    network: WorkspaceNetwork | None = None
    """Only the state machine reads it. Without it no fresh workspace starts."""
