"""Takes newer work into a session's branch: the commit that is live, then the branch on the host, then the default branch.

The live commit must be in what a session publishes, or visitors would lose another session's work. The host's branches
should be in it: a host that does not answer costs its news and nothing else.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.commit_trailers import session_trailer
from sitewright.publishing.errors import PublishError
from sitewright.publishing.manifest import Manifest
from workspace.errors import CredentialsUnavailable, GitError, StepFailed
from workspace.repository.checkout import ON_HOST_REF, Checkout
from workspace.repository.git_errors import lacks_commit, serves_tips_only
from workspace.repository.newer_work import worktree
from workspace.repository.newer_work.folded_work import replaces
from workspace.repository.newer_work.host_tips import HostQuestion, HostTips, NoTips
from workspace.repository.newer_work.look_ahead import Ahead
from workspace.repository.newer_work.merge import Conflict, merge
from workspace.repository.newer_work.other_sessions import NotLent, OtherSessions
from workspace.repository.objects.object_exchange import Poll
from workspace.repository.objects.transport import OBJECT_ID

FETCH_SECONDS = 60.0
"""The limit of one fetch."""

PATIENCE_SECONDS = 20.0
"""How long a publish waits for a live commit that nobody has yet: its session pushes it within seconds."""

_PAUSE_SECONDS = 2.0

LIVE, BRANCH, DEFAULT = "what is live", "the session's branch", "the default branch"


@dataclass(frozen=True)
class TakenIn:
    """What came of taking in newer work."""

    conflict: Conflict | None = None
    """What contradicts the session's own work. The branch is as it was."""
    source: str = ""
    """Where the conflict comes from: LIVE, BRANCH or DEFAULT."""
    unreachable: str | None = None
    """Why the live commit could not be had, although somebody has it."""
    lost: str | None = None
    """The live commit, if neither the git host nor a checkpoint has it any more."""


@dataclass
class NewerWork:
    """Knows what is live and what the host has, for the checkout of one workspace."""

    checkout: Checkout
    others: OtherSessions
    session_id: str
    log: Callable[..., None] = field(repr=False)
    live: Callable[[], Manifest | None] = field(default=lambda: None, repr=False)
    """Returns the head of the site's manifest."""
    paused: Callable[[], AbstractContextManager[None]] = field(default=nullcontext, repr=False)
    """The block in which no checkpoint is written: one of a branch that moves meanwhile could not be restored."""
    ca_file: str | None = None
    """Further trust anchors for the git host (GIT_SSL_CAINFO)."""
    cloned: bool = False
    """The checkout was cloned a moment ago, so the host has nothing newer."""
    moved: bool = False
    """The branch was moved on since the agent was told so. The agent's step, which tells it, sets it back."""
    tried: bool = False
    """The last look tried a merge, and so may have moved HEAD to the session's branch."""
    given_up: set[str] = field(default_factory=set)
    """Commits of the host that the agent could not combine with the session's work. It is not asked again about one."""
    _lost: set[str] = field(default_factory=set)
    _contained: set[str] = field(default_factory=set)
    """Commits that the branch contains. It only moves forward, so an answer stays right."""
    _manifest: Ahead[Manifest | None] | None = None
    _tips: Ahead[HostTips] | None = None
    _question: HostQuestion | None = None

    def look_ahead(self) -> None:
        """Begins to ask what is live and what the host has."""
        self._manifest = Ahead(self.live, "live-commit")
        if not self.cloned:
            self._tips = Ahead(self._ask_host, "host-tips")

    def forget(self) -> None:
        """Forgets what the branch contains: the checkout is another one now."""
        self._contained.clear()

    def take_in(self, *, poll: Poll) -> TakenIn:
        """Takes in what is live and the default branch, at the beginning of a command. Raises what `poll` raises.

        Uncommitted edits stay. If they are in the way, or something fails, the build looks again at what is live.
        """
        self.tried = False
        try:
            taken = self.take_in_live(poll=poll, patience=0)
            if taken.conflict is None or self._begins_at(taken.conflict):
                taken = self._take_in_host(poll)
        except (GitError, TimeoutError, PublishError, ClientError, BotoCoreError) as error:
            self.log("newer work could not be taken in", level="warning", error=str(error)[:500])
            return TakenIn()
        finally:
            self._manifest, self._tips, self.cloned = None, None, False
        return taken

    def take_in_live(
        self, *, poll: Poll, patience: float = PATIENCE_SECONDS, sleep: Callable[[float], None] = time.sleep
    ) -> TakenIn:
        """Takes in the live commit. Raises GitError, TimeoutError, PublishError, and what `poll` raises."""
        manifest = self._manifest.answer(poll) if self._manifest is not None else self.live()
        commit = manifest.commit if manifest is not None else None
        if manifest is None or commit is None or not OBJECT_ID.fullmatch(commit) or self.contains(commit):
            return TakenIn()
        deadline = time.monotonic() + patience
        while (unreachable := self._obtain(commit, manifest.session_id, poll)) is not None:
            if time.monotonic() + _PAUSE_SECONDS > deadline:
                if unreachable:
                    return TakenIn(unreachable=unreachable)
                if patience:
                    self._lost.add(commit)
                self.log("nobody has the live commit", level="warning", commit=commit, session=manifest.session_id)
                return TakenIn(lost=commit)
            sleep(_PAUSE_SECONDS)
        return self._merged(commit, LIVE)

    def _begins_at(self, conflict: Conflict) -> bool:
        """Lets a new session without work of its own begin at what is live, which contradicts the default branch.

        Returns whether it does. What has no common history with the default branch is of another repository.
        """
        checkout = self.checkout
        default = checkout.resolve(f"refs/remotes/origin/{checkout.default_branch}")
        if not self.cloned or conflict.tree is None or checkout.head() != default:
            return False
        checkout.run("reset", "--quiet", "--hard", conflict.theirs)
        self._contained.clear()
        self.moved = True
        self.log("the session begins at what is live", commit=conflict.theirs)
        return True

    def contains(self, commit: str) -> bool:
        """Returns whether the session's branch contains a commit or one in its place, or the commit is lost for good."""
        if commit not in self._lost | self._contained:
            done = self.checkout.git.completed("merge-base", "--is-ancestor", commit, "HEAD")
            if done.returncode != 0 and not replaces(self.checkout.git, commit):
                return False
            self._contained.add(commit)
        return True

    def built(self, commit: str) -> None:
        """Notes a commit that the branch contains, because it was its head."""
        self._contained.add(commit)

    def _obtain(self, commit: str, session_id: str | None, poll: Poll) -> str | None:
        """Brings a commit into the checkout: from the host, or from the checkpoint of its session.

        Returns None if the checkout has it, an empty text if nobody has it, or the words of a host that does not answer.
        """
        if self.checkout.resolve(commit) is not None:
            return None
        words = self._fetched(commit, poll)
        if words is None:
            self.checkout.run("update-ref", ON_HOST_REF, commit)
            return None
        try:
            if session_id in {None, self.session_id} or not self.others.lend(str(session_id), commit, poll=poll):
                return words
        except (ClientError, BotoCoreError, NotLent) as error:
            return words or str(error)
        return None

    def _fetched(self, commit: str, poll: Poll) -> str | None:
        """Fetches a commit from the host. Returns what `_obtain` does."""
        remote, have = self.checkout.remote, self.checkout.head()
        try:
            try:
                remote.fetch_commits([commit], have, timeout=FETCH_SECONDS, poll=poll)
            except GitError as error:
                if not serves_tips_only(error.stderr):
                    raise
                remote.fetch_branches(commit, have, timeout=FETCH_SECONDS, poll=poll)
        except (GitError, TimeoutError, CredentialsUnavailable, StepFailed) as error:
            self.log("the git host does not give the live commit", commit=commit, error=str(error)[:500])
            return "" if isinstance(error, GitError) and lacks_commit(error.stderr) else str(error)
        return None if self.checkout.resolve(commit) is not None else ""

    def _take_in_host(self, poll: Poll) -> TakenIn:
        """Takes in what people pushed to the session's own branch, and the default branch."""
        checkout, own = self.checkout, self.checkout.branch
        if self.cloned:
            tip = checkout.resolve(f"refs/remotes/origin/{checkout.default_branch}")
            return TakenIn() if tip is None or self.contains(tip) else self._merged(tip, DEFAULT)
        try:
            tips = self._host_tips(poll)
            new = {name: tip for name, tip in tips.commits.items() if not self.contains(tip)}
            if missing := [tip for tip in new.values() if checkout.resolve(tip) is None]:
                checkout.remote.fetch_commits(missing, checkout.head(), timeout=FETCH_SECONDS, poll=poll)
        except (NoTips, GitError, TimeoutError, CredentialsUnavailable, StepFailed) as error:
            self.log("the git host's branches could not be fetched", level="warning", error=str(error)[:500])
            return TakenIn()
        taken = TakenIn()
        if own in new:
            known = checkout.tracking()
            # A person may have rewritten the branch: what stands there now is in place of what was known.
            rewritten = known is not None and not checkout.is_ancestor(known, new[own])
            taken = self._merged(new[own], BRANCH, replaced=known if rewritten else None)
            if taken.conflict is not None:
                return taken
            if self.contains(new[own]):
                checkout.set_tracking(own, new[own])
        if (default := tips.default_branch) in new:
            checkout.set_tracking(default, new[default])
            checkout.set_default_branch(default)
            taken = self._merged(new[default], DEFAULT) if not self.contains(new[default]) else taken
        return taken

    def _host_tips(self, poll: Poll) -> HostTips:
        checkout = self.checkout
        try:
            return self._tips.answer(poll) if self._tips is not None else self._ask_host()
        except NoTips as error:
            if error.silent:
                raise
            self.log("the git host is asked by git itself", error=str(error)[:500])
        found = checkout.remote.tips(timeout=FETCH_SECONDS, poll=poll)
        default = checkout.default_branch
        return HostTips(default, {name: found[name] for name in (default, checkout.branch) if name in found})

    def _ask_host(self) -> HostTips:
        remote = self.checkout.remote
        if self._question is None:
            self._question = HostQuestion(remote.url, self.ca_file)
        return self._question.ask(remote.credentials.token(), (self.checkout.branch,))

    def _merged(self, commit: str, source: str, *, replaced: str | None = None) -> TakenIn:
        message = f"Take in {source}\n\n{session_trailer(self.session_id)}\n"
        self.tried = True
        with self.paused():
            head = self.checkout.return_to_branch()
            made = merge(self.checkout.git, head, commit, message, replaced=replaced)
            if isinstance(made, Conflict):
                self.log(
                    "newer work contradicts the session's", level="warning", commit=commit, paths=list(made.paths)[:20]
                )
                return TakenIn(conflict=made, source=source)
            refused = worktree.advance(self.checkout, made.commit)
        if refused is not None:
            self.log("newer work waits for uncommitted edits", level="warning", commit=commit, answer=refused[-500:])
        else:
            self.moved = True
            self.log("newer work taken in", commit=commit, source=source, head=made.commit)
        return TakenIn()
