"""The reasons to end a step: noted by signal handlers and the claim refresher, checked by everything that waits.

Reasons are kept in a plain set, whose `add` is atomic: a lock (threading.Event has one) that a signal handler takes
while the main thread holds it is a deadlock.
"""

import signal
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from workspace.errors import StepStopped, StopReason

_PRECEDENCE = (StopReason.CLAIM_LOST, StopReason.INTERRUPT, StopReason.TERMINATED, StopReason.TOKEN_GONE)
"""A lost claim forbids all saving; an interrupt's answer needs more than a termination's. An interrupted run is stopped
too, so its token is often gone a moment before the interrupt is seen."""


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
        """The reason that counts, or None."""
        return next((r for r in _PRECEDENCE if r in self.reasons and r in self.heeded), None)

    def check(self) -> None:
        """Raises StepStopped if there is a reason."""
        if reason := self.reason:
            raise StepStopped(reason)

    def sleep(self, seconds: float) -> None:
        """Waits, and raises StepStopped as soon as there is a reason."""
        deadline = time.monotonic() + seconds
        while True:
            self.check()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.05))

    def only(self, *heeded: StopReason) -> "Stop":
        """The same reasons, of which only some are heeded: for the work of saving after a stop."""
        return Stop(self.reasons, heeded)


@dataclass
class Signals:
    """SIGTERM and SIGINT to the runner become TERMINATED, for the step under way and all that follow."""

    terminated: bool = False
    current: Stop = field(default_factory=Stop)

    def heed(self) -> None:
        """Installs the handlers. For the main thread."""
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note)

    def follow(self, stop: Stop) -> Stop:
        """Makes `stop` the one that signals go to."""
        self.current = stop
        # After the assignment: a signal in between finds either the new one or this check.
        if self.terminated:
            stop.add(StopReason.TERMINATED)
        return stop

    def _note(self, _number: int, _frame: object) -> None:
        self.terminated = True
        self.current.add(StopReason.TERMINATED)
