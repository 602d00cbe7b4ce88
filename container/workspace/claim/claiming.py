"""Taking the session's claim.

An attempt is one method without a loop or a thread, so that tests can put anything between any two of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from sitewright.contracts.records import SessionRecord
from workspace.claim.session import SessionStore
from workspace.errors import StepStopped, StopReason


class Attempt(Enum):
    """How trying to claim went."""

    CLAIMED = auto()
    BUSY = auto()
    """Another workspace holds a live claim."""
    HANDED_OVER = auto()
    """It does the step."""


@dataclass
class Claiming:
    """The way to the claim. `open` asks Step Functions whether anybody still waits for the step."""

    store: SessionStore
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
            return Attempt.CLAIMED, session
        if self.offered and session.mailbox != request:
            # An empty mailbox alone does not tell that it was taken: another claim clears it too.
            if session.serving == request or session.mailbox is not None or not self.open():
                return Attempt.HANDED_OVER, session
            self.offered = False
        if not self.offered:
            self.offered = self.store.offer()
        return Attempt.BUSY, session
