"""Refreshes the claim. Each refresh also finds newer commands and offers.

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
"""First and longest pause while an offer is expected; each pause is 1.5 times the one before. Between two steps the
offer comes within 30 ms on the local stack. On AWS, with a Lambda in between, it takes a few hundred ms."""

POLL_SECONDS = 0.1
"""How often an idle workspace reads the session between two refreshes. Without these reads a message waits a quarter of
a second longer. A read costs a tenth of a refresh: half a read unit instead of one or more write units. Source:
DynamoDB Developer Guide, "DynamoDB read and write operations"."""


class ClaimRefresher(PeriodicThread):
    """Refreshes the claim. Notes INTERRUPT for a generation above the run's, and CLAIM_LOST for a lost claim.

    It goes on after an interrupt, because saving the work needs the claim. It calls `seen` with every session it reads.
    An offer of the same run means that Step Functions no longer waits for the step under way.
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
        self._known: tuple[int, str | None, int | None] | None = None
        """What the last read said (`_news`). A different value is a reason to refresh at once."""

    def follow(
        self, store: SessionStore, stop: Stop, log: Callable[..., None], *, idle: bool = False, eager: float = 0.0
    ) -> None:
        """Switches to another step. With `idle` there is no step, and only the loss of the claim is noted.

        `eager`: for how many seconds an offer is expected. The claim is refreshed more often in that time.
        """
        self._store, self._stop, self._log, self._idle = store, stop, log, idle
        self._eager_until = self._clock() + eager
        self._due = self._clock()
        self._seconds = EAGER_SECONDS[0] if eager else self._pause
        self._wake.set()
        # Checked after the assignment, so that a loss in between is noted too.
        if store.lost.is_set():
            stop.add(StopReason.CLAIM_LOST)

    def beat(self) -> bool:
        """Refreshes the claim, or reads the session to see whether a refresh is needed.

        Returns False once the claim is lost.
        """
        try:
            return self._is_unchanged() or self._refresh()
        except Exception as error:
            # Without a refresher the claim expires, nobody offers a step to it, and the workspace would wait forever.
            self._lost(f"unexpected error: {error!r}")
            return False

    @property
    def _pause(self) -> float:
        return min(POLL_SECONDS, self._every) if self._idle else self._every

    def _is_unchanged(self) -> bool:
        if not self._idle or self._clock() >= self._due:
            return False
        try:
            session = self._store.peek()
        except (ClientError, BotoCoreError):
            return True  # the next refresh finds the fault
        return session is not None and _news(session) == self._known

    def _refresh(self) -> bool:
        # The claim's time runs from before the call, because the answer may be slow.
        asked = self._clock()
        eager = asked < self._eager_until
        self._seconds = min(self._seconds * 1.5, EAGER_SECONDS[1]) if eager else self._pause
        # Due half a pause early, so that the beat nearest to `every` is the refresh.
        self._due = asked if eager else asked + self._every - self._seconds / 2
        # Local copies, because the main thread may switch to the next step meanwhile.
        store, stop, idle = self._store, self._stop, self._idle
        try:
            session = store.refresh(repeated=False)
        except Fenced:
            if not store.released.is_set():
                self._lost("another workspace has the claim, or it was cleared")
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


def _news(session: SessionRecord) -> tuple[int, str | None, int | None]:
    """Returns what an idle workspace acts on: the generation, the offered token, and the request to leave."""
    return session.generation, session.mailbox.task_token if session.mailbox else None, session.leave_asked_at
