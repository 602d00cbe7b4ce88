"""The items of the DynamoDB tables. Keys are the clients' ids; numbers of time are milliseconds since the epoch."""

from sitewright.contracts.base import Contract
from sitewright.contracts.error_codes import ErrorInfo
from sitewright.contracts.messages import Response
from sitewright.contracts.steps import (
    AgentResult,
    BuildResult,
    Interruption,
    LostCheckpoint,
    PushResult,
    RepairResult,
    StepRequest,
    SyncResult,
)

RECORD_TTL_DAYS = 90
"""Execution names are reusable after 90 days: until then a record keeps a commandId from running twice."""


class SessionRecord(Contract):
    """Table `sessions`, partition key `sessionId`: the conversation, its generation and its workspace's claim.

    Claim and generation share one item so that the workspace's half-second refresh (one conditional UpdateItem that
    returns the item) is liveness and interrupt check in one call. The price is a TransactionConflict now and then,
    which both sides retry.
    """

    session_id: str
    client_id: str
    chat_thread_id: str
    generation: int = 0
    command_id: str | None = None
    """The newest accepted command."""
    workspace_id: str | None = None
    """The claim: who may write (an ECS task's ARN)."""
    alive_until: int | None = None
    """The claim ends by itself at this time (ms)."""
    claim_generation: int | None = None
    """Work of older generations is saved: tells an interrupted run that still saves from its successor."""
    mailbox: StepRequest | None = None
    """The step that waits for the workspace. Put by the state machine's offer, taken by the claim's holder."""
    serving: StepRequest | None = None
    """The step the claim's holder is at: whose token to fail if it dies."""
    checkpoint: str | None = None
    """Key of the newest checkpoint in the artifacts bucket. Changed only by the claim's holder."""
    conversation_id: str | None = None
    """Claude Code's session id, for resume."""
    updated_at: int | None = None
    ttl: int | None = None
    """Seconds since the epoch (DynamoDB TTL)."""


class CommandRecord(Contract):
    """Table `commands`, partition key `sessionId`, sort key `commandId`: one command and all that became of it.

    Each part has one writer: intake the head, the steps their results, record_sync `sync`, respond the answer.
    """

    session_id: str
    command_id: str
    client_id: str | None = None
    chat_thread_id: str | None = None
    instruction: str | None = None
    user_id: str | None = None
    generation: int = 0
    accepted_at: int
    original_session_id: str | None = None
    """The client's id, if `session_id` is a hash of it (`client_ids.storable_id`); only of rejected commands."""
    original_command_id: str | None = None
    """The same for `command_id`."""
    site_url: str | None = None
    execution_arn: str | None = None
    """Set with the acceptance (the name is derived), so that a run can be found even if intake died before starting it."""
    supersedes: str | None = None
    """The session's newest command before this one: whose run intake stops, also when it is repeated."""
    superseded_by: str | None = None
    rejection: ErrorInfo | None = None
    """Why the command was refused; such a command has no run and generation 0, and the sweep can still answer it."""
    open: str | None = None
    agent: AgentResult | None = None
    spent_usd: float | None = None
    """What Claude Code took for the command so far (US dollars), by all tries of all its steps: noted while it is at work."""
    commit_message: str | None = None
    build: BuildResult | None = None
    """The newest build's; after a repair the second's."""
    repair: RepairResult | None = None
    """There if a build of this command was given back to the agent."""
    sync: SyncResult | None = None
    push: PushResult | None = None
    interruption: Interruption | None = None
    lost_checkpoint: LostCheckpoint | None = None
    """Written by the workspace that could not read it, before it went on from the git host."""
    answered_at: int | None = None
    response: Response | None = None
    """Fixed before it is sent: every repetition sends the same. Sent for sure once there is `answered_at`."""
    ttl: int | None = None

    @property
    def cost_usd(self) -> float | None:
        """What Claude Code took for the command (US dollars): by the notes, or by the results if these know of more."""
        results = [part.cost_usd for part in (self.agent, self.repair) if part and part.cost_usd is not None]
        known = [self.spent_usd] if self.spent_usd is not None else []
        return max([*known, round(sum(results), 6)]) if known or results else None


class DeploymentRecord(Contract):
    """Table `deployments`, partition key `clientId`, sort key `deploymentId` (sorts by time): one publish."""

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
    """Assets of older pages that the publish could not bring back, the first ones: deployments with them cannot be restored."""
    lost_count: int = 0
    expiring: int = 0
    due: int = 0
    rolled_back_to: str | None = None
    """The deployment whose files a rollback made live again."""
    manifest_key: str | None = None
    """Of the deployment's own manifest; None once it is beyond the retention and cannot be rolled back to."""
    ttl: int | None = None
    """Set when DEPLOYMENTS_KEPT newer ones are there."""


class SiteEntry(Contract):
    """A site as its SiteStack registers it (SSM parameter, JSON): what intake needs to start a run."""

    client_id: str
    state_machine_arn: str
    site_url: str
    bucket: str
    artifacts_bucket: str
    deployments_table: str
    distribution_id: str | None = None
    """CloudFront's, for a site with `https`."""
