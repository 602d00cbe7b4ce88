"""The items of the DynamoDB tables, and the SSM record of a site. Times are milliseconds since the epoch."""

from pydantic import Field

from sitewright.contracts.base import Contract
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.messages import Response
from sitewright.contracts.steps import (
    AgentResult,
    BuildResult,
    Interruption,
    LostCheckpoint,
    PrepareResult,
    PushResult,
    RepairResult,
    StepRequest,
    SyncResult,
)

RECORD_TTL_DAYS = 90
"""How long a record exists. It keeps a commandId from running twice until its execution name is reusable (90 days)."""


class SessionRecord(Contract):
    """Table `sessions`, partition key `clientSession`: the conversation, its generation and its workspace's claim.

    Claim and generation share one item. The workspace refreshes the claim every half second with one conditional
    UpdateItem, whose answer shows the generation too. The price is an occasional TransactionConflict, which both
    sides retry.
    """

    client_id: str
    session_id: str
    chat_thread_id: str
    generation: int = 0
    command_id: str | None = None
    """The newest accepted command."""
    workspace_id: str | None = None
    """The workspace that has the claim (an ECS task's ARN). Only this workspace may write."""
    alive_until: int | None = None
    """When the claim expires without a refresh (ms)."""
    claim_generation: int | None = None
    """The generation that the workspace serves. All work of older generations is saved.

    While it is older than `generation`, the interrupted run may still save its work.
    """
    mailbox: StepRequest | None = None
    """The step that waits for the workspace. The state machine's offer puts it, the workspace with the claim takes it."""
    serving: StepRequest | None = None
    """The workspace's current step. If the workspace dies, this step's token is failed."""
    idle_since: int | None = None
    """When the last step of a command ended and no newer command was known (ms). Absent while a run needs the workspace."""
    leave_asked_at: int | None = None
    """When the idle workspace was asked to leave, because another session found no capacity (ms)."""
    checkpoint: str | None = None
    """Key of the newest checkpoint in the artifacts bucket. Only the workspace with the claim changes it."""
    conversation_id: str | None = None
    """Claude Code's session id, with which the next step resumes the conversation."""
    updated_at: int | None = None
    ttl: int | None = None
    """Seconds since the epoch (DynamoDB TTL)."""


class CommandRecord(Contract):
    """Table `commands`, partition key `clientSession`, sort key `commandId`: one command and its results.

    Each part has one writer. Intake writes the first fields, each step its result, record_sync `sync`, and respond the
    response.
    """

    client_id: str | None = None
    """None for a rejected message without a valid clientId. No client's own items share its partition key."""
    session_id: str
    command_id: str
    chat_thread_id: str | None = None
    instruction: str | None = None
    user_id: str | None = None
    prepare: bool | None = None
    """True for a command that only prepares the workspace. It has no instruction."""
    allow: list[ErrorCode] | None = None
    """Refusals of a publish that do not count for this command."""
    generation: int = 0
    accepted_at: int
    original_session_id: str | None = None
    """The client's session id, if `session_id` is its hash (`storable_ids.storable_id`). Only rejected commands have one."""
    original_command_id: str | None = None
    """The client's command id, if `command_id` is its hash."""
    site_url: str | None = None
    execution_arn: str | None = None
    """Set with the acceptance, because the name is derived. So the sweep finds the run even if intake died early."""
    supersedes: str | None = None
    """The session's previous command. Intake stops its run, also when intake is repeated."""
    superseded_by: str | None = None
    rejection: ErrorInfo | None = None
    """Why the command was rejected. A rejected command has no run and generation 0, and the sweep can still answer it."""
    open: str | None = None
    covers: list[str] | None = None
    """The ids of interrupted commands whose wishes the agent carries out together with this one, the oldest first."""
    prepared: PrepareResult | None = None
    agent: AgentResult | None = None
    spent_usd: float | None = None
    """Claude Code's cost for the command so far (US dollars), over all tries of all steps. Noted while it works."""
    commit_message: str | None = None
    build: BuildResult | None = None
    """The result of the newest build: after a repair, the second."""
    repair: RepairResult | None = None
    """Set if the agent repaired a build of this command, or tried to."""
    sync: SyncResult | None = None
    push: PushResult | None = None
    interruption: Interruption | None = None
    answer_token: str | None = Field(default=None, repr=False)
    """The task token of the state machine that waits for `interruption`. Who records the end of the saving sends it back."""
    lost_checkpoint: LostCheckpoint | None = None
    """Written by the workspace that could not read the checkpoint, before it cloned from the git host instead."""
    answered_at: int | None = None
    response: Response | None = None
    """Recorded before it is sent, so every repetition sends the same. It was certainly sent once `answered_at` is set."""
    ttl: int | None = None

    @property
    def cost_usd(self) -> float | None:
        """Claude Code's cost for the command (US dollars): the noted cost or the results' sum, whichever is higher."""
        results = [part.cost_usd for part in (self.agent, self.repair) if part and part.cost_usd is not None]
        known = [self.spent_usd] if self.spent_usd is not None else []
        return max([*known, round(sum(results), 6)]) if known or results else None


class DeploymentRecord(Contract):
    """Table `deployments`, partition key `clientId`, sort key `deploymentId` (sorts by time): one publish or rollback."""

    client_id: str
    deployment_id: str
    session_id: str
    command_id: str
    commit: str | None = None
    created_at: int
    deploy_success: bool
    files: int
    bytes: int
    uploaded: int
    deleted: int
    unchanged: int
    drift: list[str] = []
    drift_count: int = 0
    lost: list[str] = []
    """The first assets of older pages that the publish could not heal. Deployments that use them cannot be restored."""
    lost_count: int = 0
    pages_removed_count: int = 0
    broken_links: int = 0
    """Paths of its own host that the changed pages name and that lead nowhere."""
    expiring: int = 0
    due: int = 0
    rolled_back_to: str | None = None
    """The deployment whose files a rollback made live again."""
    manifest_key: str | None = None
    """Key of the deployment's own manifest. None once the deployment is retired: a rollback cannot restore it."""
    ttl: int | None = None
    """Seconds since the epoch. Set once there are DEPLOYMENTS_KEPT newer deployments."""


class SiteEntry(Contract):
    """A site as its SiteStack registers it (SSM parameter, JSON). Intake starts runs with it."""

    client_id: str
    state_machine_arn: str
    site_url: str
    bucket: str
    artifacts_bucket: str
    deployments_table: str
    distribution_id: str | None = None
    """Id of the CloudFront distribution, for a site with `https`."""
    max_message_age_seconds: int | None = None
    """The age beyond which intake rejects a message. None: there is no limit."""
    monthly_budget_usd: float | None = None
    """US dollars that the model may take in a month. None: as much as it takes."""
