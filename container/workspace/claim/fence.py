"""The fence: the check of claim and generation before a write."""

from dataclasses import dataclass

from sitewright.contracts.records import SessionRecord
from workspace.claim.session import SessionStore
from workspace.errors import Fenced, StepStopped, StopReason
from workspace.system.stop import Stop


@dataclass(frozen=True)
class ClaimFence:
    """Checks the session's claim and generation. A failed check is also noted as a reason to stop."""

    store: SessionStore
    stop: Stop
    stopped: bool = False
    """True for the work after a stop: the generation does not matter, and only a lost claim ends the work."""

    def verify(self, *, allow_superseded: bool = False) -> SessionRecord:
        """Returns the session if this workspace has its claim and the run's generation is the newest. Raises Fenced."""
        try:
            session = self.store.refresh()
        except Fenced:
            self.stop.add(StopReason.CLAIM_LOST)
            raise
        if session.generation != self.store.request.generation and not (allow_superseded or self.stopped):
            self.stop.add(StopReason.INTERRUPT)
            raise Fenced(
                f"the session is at generation {session.generation}, the run at {self.store.request.generation}"
            )
        return session

    def check_stop(self) -> None:
        """Raises StepStopped if the step has to end."""
        if self.store.lost.is_set():
            raise StepStopped(StopReason.CLAIM_LOST)
        (self.stop.only(StopReason.CLAIM_LOST) if self.stopped else self.stop).check()

    def after_stop(self) -> "ClaimFence":
        """Returns the fence for the work after a stop."""
        return ClaimFence(self.store, self.stop, stopped=True)
