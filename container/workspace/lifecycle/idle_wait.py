"""What a workspace does while it does nothing: waiting for the claim, and waiting for the next step.

Each decision is one method without a loop or a thread, so that tests can put anything between any two of them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo, SfnError
from sitewright.contracts.records import SessionRecord
from workspace.claim.session import SessionStore
from workspace.errors import Fenced, StepStopped, StopReason
from workspace.lifecycle.interruption import PUSH_SECONDS, End
from workspace.lifecycle.mailbox import Inbox, Mail
from workspace.lifecycle.step_run import Turn
from workspace.system.stop import Stop

LOOK_SECONDS = 0.5


class Attempt(Enum):
    """How trying to claim went."""

    OURS = auto()
    BUSY = auto()
    """Another workspace holds a live claim."""
    TAKEN_OVER = auto()
    """It does the step."""


@dataclass
class Claiming:
    """The way to the claim. `open` asks Step Functions whether anybody still waits for the step."""

    store: SessionStore
    hands_over: bool
    open: Callable[[], bool]
    offered: bool = False

    def attempt(self) -> tuple[Attempt, SessionRecord]:
        """One attempt; against a live claim the step is handed over to its holder.

        Raises StepStopped (INTERRUPT: a newer command is there).
        """
        request = self.store.request
        ours, session = self.store.claim()
        if session.generation > request.generation:
            raise StepStopped(StopReason.INTERRUPT)
        if ours:
            return Attempt.OURS, session
        if self.offered and session.mailbox != request:
            # An empty mailbox alone does not tell that it was taken: another claim clears it too.
            if session.serving == request or session.mailbox is not None or not self.open():
                return Attempt.TAKEN_OVER, session
            self.offered = False
        if self.hands_over and not self.offered:
            self.offered = self.store.hand_over()
        return Attempt.BUSY, session


@dataclass(frozen=True)
class Taken:
    """The next step, and the session as it was taken from."""

    mail: Mail
    session: SessionRecord


class Left(Enum):
    """The workspace gave its claim back."""

    LEFT = auto()


@dataclass
class Waiting:
    """The time between two steps of a workspace that stays."""

    turn: Turn
    end: End
    inbox: Inbox
    stop: Stop
    idle_seconds: float
    clock: Callable[[], float] = time.monotonic
    _generation: int = field(default=0, init=False)
    """All work up to this one is saved, or is the last step's."""
    _until: float = field(default=0, init=False)

    def next(self) -> tuple[Mail, SessionRecord] | None:
        """The next step, taken; None if the workspace ends, its claim given back.

        Raises Fenced and StepStopped (claim lost), botocore's exceptions.
        """
        self.begin()
        while True:
            found = self.look(*self.inbox.wait(LOOK_SECONDS))
            if isinstance(found, Taken):
                return found.mail, found.session
            if found is Left.LEFT:
                return None

    def begin(self) -> None:
        """Notes that nothing is under way. Raises Fenced, botocore's exceptions."""
        self._generation = self.turn.store.request.generation
        if self.end.settled:
            # An interrupt's saving is for all commands up to the newest.
            self._generation = max(self._generation, self.turn.store.refresh().generation)
        self.turn.store.rest(self._generation)
        self._until = self.clock() + self.idle_seconds

    def look(self, session: SessionRecord | None, mail: Mail | None) -> Taken | Left | None:
        """What follows from the session just read, None if nothing new was, and the mail that is known."""
        turn, store = self.turn, self.turn.store
        if StopReason.CLAIM_LOST in self.stop.reasons:
            raise Fenced("the claim was lost while waiting")
        if StopReason.TERMINATED in self.stop.reasons:
            turn.log("asked to stop while waiting")
            if turn.desk is not None:
                turn.desk.push.join(PUSH_SECONDS)
            turn.saver.leave()
            return Left.LEFT
        if session is None:
            return None
        if session.generation > self._generation:
            self._superseded(session.generation)
        if mail is not None and mail.request.generation < session.generation:
            self._refuse(mail)
        elif mail is not None:
            return self._take(mail)
        elif stale := self.inbox.stale(session):
            store.drop(stale)
        elif self.clock() > self._until and not self._pushing and store.leave():
            turn.log("nothing to do any more, the workspace ends")
            return Left.LEFT
        return None

    def _superseded(self, generation: int) -> None:
        """A newer command was accepted while the older one was between two steps."""
        if not self.end.settled:
            self.turn.saver.superseded()
            self.end = replace(self.end, settled=True)
        self._generation = generation
        self.turn.store.rest(generation)
        # The newer command's first step is on its way.
        self._until = self.clock() + self.idle_seconds

    def _refuse(self, mail: Mail) -> None:
        """Ends the wait for a step that came too late: usually its run is stopped already."""
        self.turn.store.drop(mail.request)
        self.inbox.drop()
        info = ErrorInfo.of(ErrorCode.INTERRUPTED, "A newer command of the session was accepted.")
        replace(self.turn.reporter, token=mail.request.task_token).failure(SfnError.INTERRUPTED, info)

    def _take(self, mail: Mail) -> Taken | None:
        try:
            session = replace(self.turn.store, request=mail.request).take()
        except Fenced:
            # Replaced by a newer offer, which the next look finds; or the claim is lost, which the pulse finds out.
            self.inbox.drop()
            return None
        return Taken(self.inbox.take(), session)

    @property
    def _pushing(self) -> bool:
        return self.turn.desk is not None and self.turn.desk.push.busy
