"""The wait between two steps of a workspace.

Each decision is one method without a loop or a thread. So a test can put any event between two decisions.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.records import SessionRecord
from sitewright.contracts.sfn_errors import SfnError
from workspace.errors import Fenced, StopReason
from workspace.lifecycle.interruption import PUSH_SECONDS
from workspace.lifecycle.mailbox import Mailbox, Offer
from workspace.lifecycle.step_end import Follows, StepEnd
from workspace.lifecycle.step_run import StepRun
from workspace.system.stop import Stop

POLL_SECONDS = 0.5

STEP_GAP_SECONDS = 300.0
"""How long the workspace waits for the run's next step. A Lambda of at most 150 s runs between two steps, and is
retried when it fails. A shorter `idleSeconds` must not split the run into two tasks."""

COMMAND_GAP_SECONDS = 20.0
"""How long an interrupted workspace waits for the newer command. Intake accepts the command, stops the older run and
starts the newer one. Its first offer comes within a second or two. No offer comes after an operator stopped the run."""

CACHE_SECONDS = 60.0
"""How long a workspace without work waits for the upload of the build cache (128 MB at most)."""


@dataclass(frozen=True)
class AcceptedOffer:
    """A taken offer, and the session at that moment."""

    offer: Offer
    session: SessionRecord


class IdleEnd(Enum):
    """How an idle wait ends without an offer."""

    CLAIM_RELEASED = auto()


@dataclass
class IdleWait:
    """Waits for the next offer, and ends the workspace when there is nothing left to do.

    Events during the wait, and their consequences:

    - An offer of the newest command: it is taken. An offer of an older command: it is refused.
    - A newer command is accepted: the older command's work is saved, and the wait goes on for the newer command.
    - An offer arrives while the workspace releases its claim: the release is one write, made only while the mailbox is
      empty. Either the offer is taken, or its sender finds no live claim and starts a new workspace.
    - Another session needs the capacity and asks this workspace to leave: it ends as if its time were over.
    - SIGTERM: the claim is released, and an offer in the mailbox is reported as stopped.
    - The claim is lost: the workspace ends without another write.
    """

    step_run: StepRun
    end: StepEnd
    mailbox: Mailbox
    stop: Stop
    idle_seconds: float
    step_gap: float = STEP_GAP_SECONDS
    command_gap: float = COMMAND_GAP_SECONDS
    clock: Callable[[], float] = time.monotonic
    _generation: int = field(default=0, init=False)
    """The work of all commands up to this generation is saved, or belongs to the last step."""
    _until: float = field(default=0, init=False)

    def next(self) -> tuple[Offer, SessionRecord] | None:
        """Waits for the next step and takes it. Returns None if the workspace ends; its claim is released then.

        Raises Fenced and StepStopped (claim lost), botocore's exceptions.
        """
        self.begin()
        while True:
            found = self.decide(*self.mailbox.wait(POLL_SECONDS))
            if isinstance(found, AcceptedOffer):
                return found.offer, found.session
            if found is IdleEnd.CLAIM_RELEASED:
                return None

    def begin(self) -> None:
        """Notes that no step is under way. Raises Fenced, botocore's exceptions."""
        own = self.step_run.store.request.generation
        self._generation = own
        if self.end.settled:
            # The saved work is that of all commands up to the newest.
            self._generation = max(own, self.step_run.store.refresh().generation)
        follows = self.end.follows if self._generation == own else Follows.NEWER_COMMAND
        self.step_run.store.finish_step(self._generation, idle=follows is Follows.NOTHING)
        self._wait_for(follows)

    def _wait_for(self, follows: Follows | None) -> None:
        least = {Follows.STEP: self.step_gap, Follows.NEWER_COMMAND: self.command_gap}
        self._until = self.clock() + max(self.idle_seconds, least.get(follows, 0.0) if follows else 0.0)

    def decide(self, session: SessionRecord | None, offer: Offer | None) -> AcceptedOffer | IdleEnd | None:
        """Decides the next action from the session just read (None: no new read) and the known offer."""
        step_run, store = self.step_run, self.step_run.store
        if StopReason.CLAIM_LOST in self.stop.reasons:
            raise Fenced("the claim was lost while waiting")
        if StopReason.TERMINATED in self.stop.reasons:
            step_run.log("asked to stop while waiting")
            if step_run.working_copy is not None:
                step_run.working_copy.push.join(PUSH_SECONDS)
            step_run.interruption.leave()
            return IdleEnd.CLAIM_RELEASED
        if session is None:
            return None
        if session.generation > self._generation:
            self._superseded(session.generation)
        elif session.leave_asked_at is not None and session.idle_since is not None:
            self._until = min(self._until, self.clock())
        if offer is not None and offer.request.generation < session.generation:
            self._refuse(offer)
        elif offer is not None:
            return self._take(offer)
        elif stale := self.mailbox.repeated_offer(session):
            store.withdraw(stale)
        elif self._is_over and self._leave():
            return IdleEnd.CLAIM_RELEASED
        return None

    @property
    def _is_over(self) -> bool:
        late, working_copy = self.clock() - self._until, self.step_run.working_copy
        if late < 0 or working_copy is None:
            return late >= 0
        return not working_copy.push.busy and (late > CACHE_SECONDS or not working_copy.cache.busy)

    def _leave(self) -> bool:
        if self.step_run.working_copy is not None:
            self.step_run.working_copy.cache.cancel()
        # One conditional write. It is refused if the mailbox has an offer, which the next decision takes.
        left = self.step_run.store.release_idle()
        if left:
            self.step_run.log("nothing to do any more, the workspace ends")
        return left

    def _superseded(self, generation: int) -> None:
        """Saves the older command's work when a newer command is accepted between two steps."""
        if not self.end.settled:
            self.step_run.interruption.superseded()
            self.end = replace(self.end, settled=True)
        self._generation = generation
        self.step_run.store.finish_step(generation, idle=False)
        self._wait_for(Follows.NEWER_COMMAND)

    def _refuse(self, offer: Offer) -> None:
        """Refuses an offer of an older command. The older run is usually stopped already."""
        self.step_run.store.withdraw(offer.request)
        self.mailbox.drop()
        info = ErrorInfo.of(ErrorCode.INTERRUPTED, "A newer command of the session was accepted.")
        replace(self.step_run.reporter, token=offer.request.task_token).failure(SfnError.INTERRUPTED, info)

    def _take(self, offer: Offer) -> AcceptedOffer | None:
        try:
            session = replace(self.step_run.store, request=offer.request).take()
        except Fenced:
            # Either a newer offer replaced this one, and the next decision takes it. Or the claim is lost, and the
            # refresher notes that.
            self.mailbox.drop()
            return None
        return AcceptedOffer(self.mailbox.take(), session)
