"""Takes what is live into the session's branch before a build, so that a publish takes nothing back."""

from collections.abc import Callable

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.publishing.errors import PublishError
from sitewright.retry import checked_sleep
from workspace.errors import WorkspaceError
from workspace.repository.newer_work.merge import Conflict
from workspace.repository.newer_work.taking_in import NewerWork
from workspace.step_context import StepContext

LISTED = 20
"""How many files of a conflict are named in an error."""


class NotUpToDate(WorkspaceError):
    """The branch lacks what is live, so it is not published."""

    def __init__(self, info: ErrorInfo, *, agent_may_resolve: bool = False) -> None:
        super().__init__(info.message)
        self.info = info
        self.agent_may_resolve = agent_may_resolve

    @classmethod
    def conflict(cls, conflict: Conflict) -> "NotUpToDate":
        """The session's edit contradicts what is live."""
        return cls(ErrorInfo.of(ErrorCode.LIVE_CONFLICT, told(conflict)), agent_may_resolve=conflict.tree is not None)

    @classmethod
    def moved(cls, rounds: int) -> "NotUpToDate":
        """Other sessions published again and again."""
        message = f"Other sessions of this site published {rounds} times while this one was building."
        return cls(ErrorInfo.of(ErrorCode.PUBLISH_FAILED, message))


def told(conflict: Conflict) -> str:
    """Returns a sentence about a conflict. Pure."""
    names = ", ".join(conflict.paths[:LISTED]) or conflict.said
    return f"The edit contradicts the commit {conflict.theirs}, which is live, in: {names}"


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
    if taken.conflict is not None:
        raise NotUpToDate.conflict(taken.conflict)
    if taken.unreachable is not None:
        message = f"What is live could not be fetched, so this edit is not published: {taken.unreachable}"
        raise NotUpToDate(ErrorInfo.of(ErrorCode.LIVE_UNREACHABLE, message))
    if taken.lost is not None:
        note(f"The commit {taken.lost} was live, and neither the git host nor a saved session has it any more.")
