"""The two heartbeats: the claim's, which also brings the interrupt, and the task token's.

Each has a thread of its own: a Step Functions endpoint that hangs must not let the claim expire.
"""

import threading
import time
from collections.abc import Callable
from typing import Self

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.records import SessionRecord
from sitewright.contracts.steps import TOKEN_GONE
from workspace.claim.session import CLAIM_SECONDS, SessionStore
from workspace.errors import Fenced, StopReason
from workspace.system.aws_clients import Clients
from workspace.system.stop import Stop

REFRESH_SECONDS = 0.5
EAGER_SECONDS = (0.02, 0.1)
"""Between two steps of a run the next offer comes within a moment (here 30 ms, on AWS with a Lambda in between some
hundred): the first look comes soon, each of the following half as much later again, up to the second value."""

LOOK_SECONDS = 0.1
"""Between two refreshes of a workspace that waits, it is looked so often whether there is a reason for one: the client's
message would lie there for a quarter of a second else. A look costs a tenth of a refresh (half a read request unit
for one or more write units, DynamoDB Developer Guide, "DynamoDB read and write operations")."""

HEARTBEAT_SECONDS = 5.0
"""A sixth of what an offered step may be silent (OFFER_HEARTBEAT_SECONDS of the state machine)."""


class _Ticker:
    """A thread that does something at once and then every `seconds`, until it is stopped or the job says so."""

    def __init__(self, job: Callable[[], bool], seconds: float, name: str) -> None:
        self._job = job
        self._seconds = seconds
        self._ended = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self, *, wait: bool = True) -> None:
        """Ends the thread; a call under way may take a few seconds, for which nobody waits long."""
        self._ended.set()
        self._wake.set()
        if wait and self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def _loop(self) -> None:
        while self._job():
            self._wake.wait(self._seconds)
            self._wake.clear()
            if self._ended.is_set():
                return


class Pulse(_Ticker):
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
        super().__init__(self.beat, every, "pulse")
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
            # A pulse that dies unnoticed leaves a workspace that waits for ever for what nobody offers it any more.
            self._lost(f"unexpected error: {error!r}")
            return False

    @property
    def _pause(self) -> float:
        return min(LOOK_SECONDS, self._every) if self._idle else self._every

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
            session = store.refresh(patient=False)
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
        request, mail = store.request, session.mailbox
        if session.generation > request.generation and StopReason.INTERRUPT not in stop.reasons:
            stop.add(StopReason.INTERRUPT)
            self._log("interrupted by a newer command", newCommandId=session.command_id, generation=session.generation)
        if mail and mail.generation == request.generation and mail.task_token != request.task_token:
            stop.add(StopReason.TOKEN_GONE)
        return True

    def _lost(self, why: str) -> None:
        self._store.lost.set()
        self._stop.add(StopReason.CLAIM_LOST)
        self._log("claim lost", level="error", reason=why)


def _news(session: SessionRecord) -> tuple[int, str | None]:
    return session.generation, session.mailbox.task_token if session.mailbox else None


class Heartbeat(_Ticker):
    """Tells Step Functions that the step lives; notes TOKEN_GONE when nobody waits for it any more."""

    def __init__(
        self,
        clients: Clients,
        token: str,
        stop: Stop,
        log: Callable[..., None],
        *,
        every: float = HEARTBEAT_SECONDS,
    ) -> None:
        super().__init__(self.beat, every, "heartbeat")
        self._clients = clients
        self._token = token
        self._stop = stop
        self._log = log

    def beat(self) -> bool:
        """One heartbeat. False once the token is gone; other failures are logged, the next beat tries again."""
        try:
            self._clients.stepfunctions.send_task_heartbeat(taskToken=self._token)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in TOKEN_GONE:
                if not self._ended.is_set():
                    self._stop.add(StopReason.TOKEN_GONE)
                    self._log("the run no longer waits for this step", level="warning", code=code)
                return False
            self._log("heartbeat refused", level="warning", code=code)
        except BotoCoreError as error:
            self._log("heartbeat failed", level="warning", error=str(error))
        return True
