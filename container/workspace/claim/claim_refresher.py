"""The claim's heartbeat, which also brings the interrupt.

It has a thread of its own: a Step Functions endpoint that hangs must not let the claim expire.
"""

import time
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.records import SessionRecord
from sitewright.tables.sessions import CLAIM_SECONDS
from workspace.claim.session import SessionStore
from workspace.errors import Fenced, StopReason
from workspace.system.periodic_thread import PeriodicThread
from workspace.system.stop import Stop

REFRESH_SECONDS = 0.5
EAGER_SECONDS = (0.02, 0.1)
"""Between two steps of a run the next offer comes within a moment (here 30 ms, on AWS with a Lambda in between some
hundred): the first look comes soon, each of the following half as much later again, up to the second value."""

POLL_SECONDS = 0.1
"""Between two refreshes of a workspace that waits, it is looked so often whether there is a reason for one: the client's
message would lie there for a quarter of a second else. A look costs a tenth of a refresh (half a read request unit
for one or more write units, DynamoDB Developer Guide, "DynamoDB read and write operations")."""


class ClaimRefresher(PeriodicThread):
    """Refreshes the claim; notes INTERRUPT for a generation above the run's and CLAIM_LOST for a claim that is gone.

    It goes on after an interrupt: saving the work needs the claim too. Every session it reads is handed to `seen`, whose
    mailbox may hold the next step; an offer of the run under way means that nobody waits for the present step any more.
    """

    def __init__(
        self,
        store: SessionStore,
        stop: Stop,
        log: Callable[..., None],
        *,
        every: float = REFRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        seen: Callable[[SessionRecord], None] = lambda _: None,
    ) -> None:
        super().__init__(self.beat, every, "refresher")
        self._store = store
        self._stop = stop
        self._log = log
        self._clock = clock
        self._alive = clock()
        self._eager_until = self._alive
        self._every = every
        self._seen = seen
        self._idle = False
        self._due = self._alive
        self._known: tuple[int, str | None] | None = None
        """Generation and offered token, as last read: what differs is a reason to refresh at once."""

    def follow(
        self, store: SessionStore, stop: Stop, log: Callable[..., None], *, idle: bool = False, eager: float = 0.0
    ) -> None:
        """From now on for another step, or (`idle`) for none: then only the claim counts.

        `eager`: for so many seconds the claim is refreshed more often, because an offer is expected.
        """
        self._store, self._stop, self._log, self._idle = store, stop, log, idle
        self._eager_until = self._clock() + eager
        self._due = self._clock()
        self._seconds = EAGER_SECONDS[0] if eager else self._pause
        self._wake.set()
        # After the assignment: a loss in between is noted either on the new one or here.
        if store.lost.is_set():
            stop.add(StopReason.CLAIM_LOST)

    def beat(self) -> bool:
        """One refresh, or one look whether one is needed. False once the claim is lost."""
        try:
            return self._looked_in_vain() or self._refresh()
        except Exception as error:
            # A refresher that dies unnoticed leaves a workspace that waits for ever for what nobody offers it any more.
            self._lost(f"unexpected error: {error!r}")
            return False

    @property
    def _pause(self) -> float:
        return min(POLL_SECONDS, self._every) if self._idle else self._every

    def _looked_in_vain(self) -> bool:
        if not self._idle or self._clock() >= self._due:
            return False
        try:
            session = self._store.peek()
        except (ClientError, BotoCoreError):
            return True  # what is wrong is the refresh's to find out
        return session is not None and _news(session) == self._known

    def _refresh(self) -> bool:
        # The claim's life counts from before the call: the answer may be slow.
        asked = self._clock()
        eager = asked < self._eager_until
        self._seconds = min(self._seconds * 1.5, EAGER_SECONDS[1]) if eager else self._pause
        # Half a look early: the look that comes nearest to `every` is the refresh.
        self._due = asked if eager else asked + self._every - self._seconds / 2
        # One step's: the main thread may go on to the next one meanwhile.
        store, stop, idle = self._store, self._stop, self._idle
        try:
            session = store.refresh(repeated=False)
        except Fenced:
            if not store.released.is_set():
                self._lost("another workspace holds the session, or the claim was cleared")
            return False
        except (ClientError, BotoCoreError) as error:
            if self._clock() - self._alive > CLAIM_SECONDS:
                self._lost(f"it could not be refreshed for {CLAIM_SECONDS:.0f} s: {error}")
                return False
            return True
        self._alive = asked
        self._known = _news(session)
        self._seen(session)
        if idle:
            return True
        request, offer = store.request, session.mailbox
        if session.generation > request.generation and StopReason.INTERRUPT not in stop.reasons:
            stop.add(StopReason.INTERRUPT)
            self._log("interrupted by a newer command", newCommandId=session.command_id, generation=session.generation)
        if offer and offer.generation == request.generation and offer.task_token != request.task_token:
            stop.add(StopReason.TOKEN_GONE)
        return True

    def _lost(self, why: str) -> None:
        self._store.lost.set()
        self._stop.add(StopReason.CLAIM_LOST)
        self._log("claim lost", level="error", reason=why)


def _news(session: SessionRecord) -> tuple[int, str | None]:
    return session.generation, session.mailbox.task_token if session.mailbox else None
