"""Takes the session's claim.

An attempt is one method without a loop or a thread. So a test can put any event between two attempts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from sitewright.contracts.records import SessionRecord
from workspace.claim.session import SessionStore
from workspace.errors import StepStopped, StopReason


class Attempt(Enum):
    """The outcome of one attempt."""

    CLAIMED = auto()
    BUSY = auto()
    """Another workspace has a live claim."""
    HANDED_OVER = auto()
    """The other workspace took the step."""


@dataclass
class Claiming:
    """Tries to take the claim. `is_awaited` asks Step Functions whether it still waits for the step."""

    store: SessionStore
    is_awaited: Callable[[], bool]
    offered: bool = False

    def attempt(self) -> tuple[Attempt, SessionRecord]:
        """Makes one attempt. Offers the step to another workspace that has a live claim.

        Raises StepStopped (INTERRUPT: a newer command was accepted).
        """
        request = self.store.request
        ours, session = self.store.claim()
        if session.generation > request.generation:
            raise StepStopped(StopReason.INTERRUPT)
        if ours:
            return Attempt.CLAIMED, session
        if self.offered and session.mailbox != request:
            # An empty mailbox does not prove that the offer was taken: a new claim clears the mailbox too.
            if session.serving == request or session.mailbox is not None or not self.is_awaited():
                return Attempt.HANDED_OVER, session
            self.offered = False
        if not self.offered:
            self.offered = self.store.offer()
        return Attempt.BUSY, session
