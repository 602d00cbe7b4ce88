"""Takes newer work into a session's branch: first the commit that is live, then the host's default branch.

The live commit must be in what a session publishes, or visitors would lose another session's work. The default branch
should be in it: a host that does not answer costs its news and nothing else.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sitewright.contracts.commit_trailers import session_trailer
from sitewright.publishing.errors import PublishError
from sitewright.publishing.manifest import Manifest
from workspace.errors import CredentialsUnavailable, GitError, StepFailed
from workspace.repository.checkout import Checkout
from workspace.repository.git_errors import Refusal, classify
from workspace.repository.newer_work import worktree
from workspace.repository.newer_work.merge import Conflict, merge
from workspace.repository.newer_work.other_sessions import OtherSessions
from workspace.repository.objects.object_exchange import Poll
from workspace.repository.objects.transport import OBJECT_ID

FETCH_SECONDS = 60.0
"""The limit of one fetch."""

PATIENCE_SECONDS = 20.0
"""How long a publish waits for a live commit that nobody has yet: its session pushes it within seconds."""

_PAUSE_SECONDS = 2.0

LIVE, DEFAULT = "what is live", "the default branch"


@dataclass(frozen=True)
class TakenIn:
    """What came of taking in newer work."""

    conflict: Conflict | None = None
    """What contradicts the session's own work. The branch is as it was."""
    source: str = ""
    """Where the conflict comes from: LIVE or DEFAULT."""
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
    cloned: bool = False
    """The checkout was cloned a moment ago, so the host has nothing newer."""
    _lost: set[str] = field(default_factory=set)

    def take_in(self, *, poll: Poll) -> TakenIn:
        """Takes in what is live and the default branch, at the beginning of a command. Raises what `poll` raises.

        Uncommitted edits stay. If they are in the way, or something fails, the build looks again at what is live.
        """
        try:
            taken = self.take_in_live(poll=poll, patience=0)
            if taken.conflict is None:
                taken = self._take_in_default(poll) or taken
        except (GitError, TimeoutError, PublishError) as error:
            self.log("newer work could not be taken in", level="warning", error=str(error)[:500])
            return TakenIn()
        return taken

    def take_in_live(
        self, *, poll: Poll, patience: float = PATIENCE_SECONDS, sleep: Callable[[float], None] = time.sleep
    ) -> TakenIn:
        """Takes in the live commit. Raises GitError, TimeoutError, PublishError, and what `poll` raises."""
        manifest = self.live()
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

    def contains(self, commit: str) -> bool:
        """Returns whether the session's branch contains a commit, or the commit is lost for good."""
        if commit in self._lost:
            return True
        head = self.checkout.head()
        return head == commit or (self.checkout.resolve(commit) is not None and self.checkout.is_ancestor(commit, head))

    def _obtain(self, commit: str, session_id: str | None, poll: Poll) -> str | None:
        """Brings a commit into the checkout: from the host, or from the checkpoint of its session.

        Returns None if the checkout has it, an empty text if nobody has it, or the words of a host that does not answer.
        """
        if self.checkout.resolve(commit) is not None:
            return None
        words = ""
        try:
            self.checkout.remote.fetch_commits([commit], self.checkout.head(), timeout=FETCH_SECONDS, poll=poll)
        except (GitError, TimeoutError, CredentialsUnavailable, StepFailed) as error:
            lacks = isinstance(error, GitError) and classify(error.stderr) is Refusal.OTHER
            words = "" if lacks else str(error)
            self.log("the git host does not give the live commit", commit=commit, error=str(error)[:500])
        else:
            return None
        if session_id is not None and session_id != self.session_id and self.others.lend(session_id, commit, poll=poll):
            return None
        return words

    def _take_in_default(self, poll: Poll) -> TakenIn | None:
        checkout, name = self.checkout, self.checkout.default_branch
        tip = checkout.resolve(f"refs/remotes/origin/{name}")
        if not self.cloned:
            tip = self._fetched(name, tip, poll)
        self.cloned = False
        return None if tip is None or self.contains(tip) else self._merged(tip, DEFAULT)

    def _fetched(self, name: str, known: str | None, poll: Poll) -> str | None:
        """Returns the host's commit of a branch, and brings it into the checkout."""
        try:
            tip = self.checkout.remote.tips(timeout=FETCH_SECONDS, poll=poll).get(name)
            if tip is None or tip == known:
                return known
            if self.checkout.resolve(tip) is None:
                self.checkout.remote.fetch_commits([tip], self.checkout.head(), timeout=FETCH_SECONDS, poll=poll)
            self.checkout.set_tracking(name, tip)
        except (GitError, TimeoutError, CredentialsUnavailable, StepFailed) as error:
            self.log("the default branch could not be fetched", level="warning", error=str(error)[:500])
            return known
        return tip

    def _merged(self, commit: str, source: str) -> TakenIn:
        message = f"Take in {source}\n\n{session_trailer(self.session_id)}\n"
        head = self.checkout.head()
        made = merge(self.checkout.git, head, commit, message)
        if isinstance(made, Conflict):
            self.log(
                "newer work contradicts the session's", level="warning", commit=commit, paths=list(made.paths)[:20]
            )
            return TakenIn(conflict=made, source=source)
        refused = worktree.advance(self.checkout, made.commit)
        if refused is not None:
            self.log("newer work waits for uncommitted edits", level="warning", commit=commit, answer=refused[-500:])
        else:
            self.log("newer work taken in", commit=commit, source=source, head=made.commit)
        return TakenIn()
