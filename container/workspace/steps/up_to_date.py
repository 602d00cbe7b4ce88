"""Whether a build is needed, and what it has to be built on, so that a publish takes nothing back."""

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.records import CommandRecord
from sitewright.publishing.errors import PublishError
from sitewright.publishing.judgement.findings import printable
from sitewright.retry import checked_sleep
from workspace.build.publish_need import has_nothing_to_publish
from workspace.build.site_publish import live_site
from workspace.errors import GitError, WorkspaceError
from workspace.repository.newer_work.merge import Conflict
from workspace.repository.newer_work.taking_in import NewerWork
from workspace.step_context import StepContext

ROUNDS = 3
"""How often a build begins because another session published while it ran."""

LISTED = 20
"""How many files of a conflict are named in an error."""


class NotUpToDate(WorkspaceError):
    """The branch lacks what is live, so it is not published."""

    def __init__(self, info: ErrorInfo, *, agent_may_resolve: bool = False, built: bool = False) -> None:
        super().__init__(info.message)
        self.info = info
        self.agent_may_resolve = agent_may_resolve
        self.built = built

    @classmethod
    def conflict(cls, conflict: Conflict) -> "NotUpToDate":
        """The session's edit contradicts what is live."""
        return cls(ErrorInfo.of(ErrorCode.LIVE_CONFLICT, told(conflict)), agent_may_resolve=conflict.tree is not None)

    @classmethod
    def moved(cls) -> "NotUpToDate":
        """Other sessions published again and again."""
        message = f"Other sessions of this site published {ROUNDS} times while this one was building."
        return cls(ErrorInfo.of(ErrorCode.PUBLISH_FAILED, message), built=True)


def told(conflict: Conflict) -> str:
    """Returns a sentence about a conflict. Pure."""
    names = ", ".join(map(printable, conflict.paths[:LISTED])) or conflict.said
    return f"The edit contradicts the commit {conflict.theirs}, which is live, in: {names}"


def skipped(
    ctx: StepContext, commit: str, earlier: Callable[[str], CommandRecord | None]
) -> dict[str, bool | str | None] | None:
    """Returns the fields of the result of a build that is not needed, without a commit of its own; None if it is.

    `earlier` reads an earlier command of the session. Raises StepStopped.
    """
    live = live_site(ctx)
    if live is not None and live.settled and live.commit == commit:
        ctx.progress("This commit is live already")
        # Another session's deployment has its own check, which must come first.
        own = ctx.newer is None or live.session_id in {None, ctx.session.session_id}
        return {"build_success": True, "deploy_success": own, "deployment_id": live.deployment_id}
    if ctx.newer is None or not has_nothing_to_publish(ctx.command, earlier):
        return None
    ctx.progress("Nothing was changed: nothing is published")
    # No `deploy_success`: the live deployment is another command's, which has its own check.
    return {"build_success": True, "deployment_id": live.deployment_id if live is not None else None}


def take_in_live(ctx: StepContext, newer: NewerWork, note: Callable[[str], None]) -> None:
    """Takes in what is live. Raises NotUpToDate, StepStopped.

    A live commit that neither the git host nor a checkpoint has any more is noted, and is no reason against a publish:
    somebody removed its branch after it was merged in another form.
    """
    check = ctx.fence.check_stop
    try:
        taken = newer.take_in_live(poll=check, sleep=checked_sleep(check))
    except PublishError as error:
        raise NotUpToDate(ErrorInfo.of(ErrorCode.PUBLISH_FAILED, str(error))) from error
    except (GitError, TimeoutError, ClientError, BotoCoreError) as error:
        message = f"What is live could not be taken in, so this edit is not published: {error}"
        raise NotUpToDate(ErrorInfo.of(ErrorCode.PUBLISH_FAILED, message)) from error
    if taken.conflict is not None:
        raise NotUpToDate.conflict(taken.conflict)
    if taken.unreachable is not None:
        message = f"What is live could not be fetched, so this edit is not published: {taken.unreachable}"
        raise NotUpToDate(ErrorInfo.of(ErrorCode.LIVE_UNREACHABLE, message))
    if taken.lost is not None:
        note(f"The commit {taken.lost} was live, and neither the git host nor a saved session has it any more.")
