"""The reasons to stop a step. Signal handlers and the claim refresher note them; all waiting code checks them.

The reasons are in a plain set, whose `add` is atomic. A lock (as in threading.Event) could deadlock: a signal handler
would wait for a lock that the main thread has.
"""

import signal
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from workspace.errors import StepStopped, StopReason

_PRECEDENCE = (StopReason.CLAIM_LOST, StopReason.INTERRUPT, StopReason.TERMINATED, StopReason.TOKEN_GONE)
"""A lost claim forbids all saving, so it comes first. An interrupt needs a commit and its response, a termination only
a checkpoint. An interrupted run is stopped too, so its token is often gone before the interrupt is seen."""


@dataclass(frozen=True)
class Stop:
    """The reasons so far, or a view of some of them (`only`)."""

    reasons: set[StopReason] = field(default_factory=set)
    heeded: Collection[StopReason] = _PRECEDENCE

    def add(self, reason: StopReason) -> None:
        """Notes a reason. Safe in a signal handler and from any thread."""
        self.reasons.add(reason)

    @property
    def reason(self) -> StopReason | None:
        """The reason with the highest precedence, or None."""
        return next((r for r in _PRECEDENCE if r in self.reasons and r in self.heeded), None)

    def check(self) -> None:
        """Raises StepStopped if there is a reason."""
        if reason := self.reason:
            raise StepStopped(reason)

    def sleep(self, seconds: float) -> None:
        """Waits. Raises StepStopped as soon as there is a reason."""
        deadline = time.monotonic() + seconds
        while True:
            self.check()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.05))

    def only(self, *heeded: StopReason) -> "Stop":
        """Returns a view that heeds only some of the reasons, for the work after a stop."""
        return Stop(self.reasons, heeded)


@dataclass
class Signals:
    """Notes TERMINATED on SIGTERM and SIGINT, for the step under way and all later steps."""

    terminated: bool = False
    current: Stop = field(default_factory=Stop)

    def heed(self) -> None:
        """Installs the signal handlers. Only the main thread may call it."""
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note)

    def follow(self, stop: Stop) -> Stop:
        """Makes `stop` receive the signals from now on."""
        self.current = stop
        # Checked after the assignment. So no signal in between is lost.
        if self.terminated:
            stop.add(StopReason.TERMINATED)
        return stop

    def _note(self, _number: int, _frame: object) -> None:
        self.terminated = True
        self.current.add(StopReason.TERMINATED)
