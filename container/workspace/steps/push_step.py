"""The step `push`: sends the commits to the git host. It never forces a push, and loses no commit.

If the remote branch has new commits, ours are rebased onto them, or merged with them where one of ours is live or is a
merge. Conflicting commits go to a rescue branch, which a person has to merge. What the host refuses is pushed once more
as one clean commit: only the history may have its cause.
"""

import time
from dataclasses import dataclass, field

from sitewright.contracts.commit_trailers import session_trailer
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.names import rescue_branch
from sitewright.contracts.steps import PushResult
from sitewright.publishing import manifest_store
from sitewright.publishing.errors import PublishError
from sitewright.retry import checked_sleep
from workspace.build.site_publish import live_site, publish_target
from workspace.errors import StepFailed
from workspace.repository.checkout import ON_HOST_REF
from workspace.repository.host_rules import refused_push, unsent_commits
from workspace.repository.host_rules.unsent_content import unsent_blobs
from workspace.repository.newer_work import worktree
from workspace.repository.newer_work.merge import Merged, merge
from workspace.repository.newer_work.rebase import rebase
from workspace.repository.remote_retry import DOWN_SECONDS, Diverged, Rejected, retry_remote
from workspace.step_context import StepContext
from workspace.steps.signing import sign_commits

_RACES = 5
_RESCUES = 20


def run(ctx: StepContext) -> PushResult:
    """Pushes the session's branch.

    Raises HostRefuses, StepFailed (GIT_AUTH_FAILED, GIT_UNAVAILABLE, PUSH_FAILED, PUSH_UNSIGNED), StepStopped, Fenced.
    """
    began = time.monotonic()
    head = ctx.checkout.return_to_branch()
    result = nothing_to_send(ctx, head) or _Push(ctx).push(head)
    return result.model_copy(update={"seconds": round(time.monotonic() - began, 3)})


def nothing_to_send(ctx: StepContext, head: str) -> PushResult | None:
    """Returns the result for a command that changed nothing in a session without commits of its own; else None.

    A question makes no branch. And it does not fail because the host refuses what another session made live. But it sends
    what an earlier command of its own session could not send.
    """
    agent, checkout = ctx.command.agent, ctx.checkout
    if ctx.newer is None or agent is None or agent.files_changed_count or ctx.command.repair is not None:
        return None
    where = ("refs/remotes/origin", ON_HOST_REF)
    found = checkout.run("for-each-ref", "--format=%(refname)", f"--contains={head}", *where).splitlines()
    if found:
        names = [name.removeprefix(f"{where[0]}/") for name in found if name not in {f"{where[0]}/HEAD", ON_HOST_REF}]
        return PushResult(commit=head, branch=names[0] if names else None, pushed=True)
    live = live_site(ctx)
    if live is None or live.session_id in {None, ctx.session.session_id}:
        return None
    known = live.commit
    there = known is not None and checkout.resolve(known) is not None and checkout.is_ancestor(head, known)
    return PushResult(commit=head) if there else None


class HostRefuses(StepFailed):
    """The git host's rules refuse the push."""

    def __init__(self, refused: refused_push.RefusedPush, branch: str) -> None:
        super().__init__(refused.code, refused.message(branch))
        self.foldable = refused.code in refused_push.FOLDABLE


@dataclass
class _Push:
    ctx: StepContext
    deadline: float = field(default=0.0)
    folded: str | None = field(default=None)
    """The clean commit in place of what the host refused."""
    again: bool = field(default=False)
    """The host refused the session's last push."""

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.ctx.settings.push_timeout_seconds

    def push(self, head: str) -> PushResult:
        checkout, branch = self.ctx.checkout, self.ctx.checkout.branch
        rebased = False
        self.again = unsent_commits.is_refused(checkout)
        if self.again:
            self._fold()
        for number in range(_RACES):
            known = head if not number and self.folded is None else None
            head = sign_commits(self.ctx) or known or checkout.head()
            self.ctx.progress(f"Pushing {head[:8]} to {branch}")
            try:
                self._send(head, branch)
            except Diverged:
                self.ctx.log("the remote branch moved on", level="warning", branch=branch)
            except HostRefuses as refused:
                if not self._may_pass_clean(refused, head):
                    raise
                continue
            else:
                if self.folded is None:
                    # Else the older commits may be live, and come back with the work of another session.
                    unsent_commits.forget(checkout, unsent_commits.REFUSED_REF)
                return PushResult(commit=head, branch=branch, pushed=True, rebased=rebased)
            theirs = self._fetch(branch, head)
            if theirs is None:
                continue
            if not self._join(theirs, head):
                return self._rescue(head, branch)
            rebased = True
            if self.ctx.newer is not None:
                self.ctx.newer.moved = True
        raise StepFailed(ErrorCode.PUSH_FAILED, f"The remote branch {branch} moved on {_RACES} times during the push.")

    def _may_pass_clean(self, refused: HostRefuses, head: str) -> bool:
        """Notes a refusal. Returns whether a clean commit now stands in place of what was refused."""
        checkout = self.ctx.checkout
        self.ctx.log("the git host refuses the commits", level="warning", code=refused.error.code.value, commit=head)
        if not refused.foldable:
            return False
        unsent_commits.mark_refused(checkout, head)
        if self.folded is None:
            return self._fold()
        if self.folded == head and not self.again:
            # The files have the cause too. The commits say more than the clean one.
            unsent_commits.unfold(checkout, head)
        return False

    def _fold(self) -> bool:
        request = self.ctx.request
        self.folded = unsent_commits.fold(self.ctx.checkout, request.session_id, request.command_id)
        if self.folded is not None:
            self.ctx.log("the unsent commits are folded into a clean one", commit=self.folded)
        return self.folded is not None

    def _join(self, theirs: str, head: str) -> bool:
        """Brings our commits on top of the remote's. Returns False for a conflict; then the branch is as it was."""
        checkout = self.ctx.checkout
        if not checkout.run("rev-list", "--merges", "--max-count=1", f"{theirs}..{head}").strip() and not self._is_live(
            theirs, head
        ):
            return rebase(checkout, theirs)
        # A rebase would replay what the session took in from other branches, commit by commit. And nobody else could
        # have the live commit any more, which other sessions must take in.
        made = merge(checkout.git, head, theirs, f"Take in the session's branch\n\n{self._trailer}\n")
        if not isinstance(made, Merged):
            return False
        if worktree.advance(checkout, made.commit) is not None:
            # All edits are committed. What the build wrote into tracked files is in the way.
            checkout.run("reset", "--quiet", "--hard")
            return worktree.advance(checkout, made.commit) is None
        return True

    def _is_live(self, theirs: str, head: str) -> bool:
        """Returns whether one of our commits is live, or may be."""
        checkout = self.ctx.checkout
        if self.ctx.newer is None:
            return False
        try:
            live = manifest_store.read_head(publish_target(self.ctx))
        except PublishError as error:
            self.ctx.log("what is live is not known", level="warning", error=str(error))
            return True
        if live is None or live.commit is None or checkout.resolve(live.commit) is None:
            return False
        return checkout.is_ancestor(live.commit, head) and not checkout.is_ancestor(live.commit, theirs)

    @property
    def _trailer(self) -> str:
        return session_trailer(self.ctx.request.session_id)

    def _rescue(self, head: str, branch: str) -> PushResult:
        name = rescue_branch(self.ctx.request.command_id, self.ctx.settings.branch_prefix)
        for attempt in range(1, _RESCUES + 1):
            rescue = name if attempt == 1 else f"{name}-{attempt}"
            try:
                self._send(head, rescue)
            except Diverged:
                # The rescue branch exists with other commits, which must not be lost.
                continue
            message = f"The commits conflict with those on {branch} and are on {rescue}."
            self.ctx.log("conflict: pushed to a rescue branch", level="warning", branch=rescue, commit=head)
            error = ErrorInfo.of(ErrorCode.PUSH_CONFLICT, message)
            return PushResult(commit=head, branch=rescue, pushed=True, error=error)
        raise StepFailed(ErrorCode.PUSH_FAILED, f"{_RESCUES} rescue branches {name}… hold other commits: delete some.")

    def _send(self, commit: str, branch: str) -> None:
        def attempt(seconds: float) -> None:
            self.ctx.fence.verify()
            self.ctx.checkout.remote.push(commit, branch, timeout=seconds, poll=self.ctx.fence.check_stop)

        sleep = checked_sleep(self.ctx.fence.check_stop)
        try:
            retry_remote(attempt, within=self._within(), sleep=sleep, log=self.ctx.log)
        except Rejected as rejected:
            raise HostRefuses(refused_push.read(rejected.output, self._path_of), branch) from rejected
        self.ctx.checkout.set_tracking(branch, commit)

    def _path_of(self, name: str) -> str | None:
        return next((blob.path for blob in unsent_blobs(self.ctx.checkout) if blob.name == name), None)

    def _fetch(self, branch: str, have: str) -> str | None:
        def attempt(seconds: float) -> str | None:
            return self.ctx.checkout.remote.fetch(branch, have, timeout=seconds, poll=self.ctx.fence.check_stop)

        theirs = retry_remote(
            attempt, within=self._within(), sleep=checked_sleep(self.ctx.fence.check_stop), log=self.ctx.log
        )
        if theirs is not None:
            self.ctx.checkout.set_tracking(branch, theirs)
        return theirs

    def _within(self) -> float:
        return max(min(DOWN_SECONDS, self.deadline - time.monotonic()), 1.0)
