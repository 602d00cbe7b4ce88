"""The guard before everything that leaves the workspace."""

from dataclasses import dataclass

from sitewright.contracts.records import SessionRecord
from workspace.claim.session import SessionStore
from workspace.errors import Fenced, StepStopped, StopReason
from workspace.system.stop import Stop


@dataclass(frozen=True)
class ClaimFence:
    """`context.Fence` on the session's claim. What it finds out, it also notes as a reason to stop."""

    store: SessionStore
    stop: Stop
    saving: bool = False
    """After a stop: the work of saving is done whatever the generation, and only a lost claim ends it."""

    def verify(self, *, allow_superseded: bool = False) -> SessionRecord:
        """The session if the claim is ours and the generation the run's. Raises Fenced."""
        try:
            session = self.store.refresh()
        except Fenced:
            self.stop.add(StopReason.CLAIM_LOST)
            raise
        if session.generation != self.store.request.generation and not (allow_superseded or self.saving):
            self.stop.add(StopReason.INTERRUPT)
            raise Fenced(
                f"the session is at generation {session.generation}, the run at {self.store.request.generation}"
            )
        return session

    def check_stop(self) -> None:
        """Raises StepStopped if the step has to end."""
        if self.store.lost.is_set():
            raise StepStopped(StopReason.CLAIM_LOST)
        (self.stop.only(StopReason.CLAIM_LOST) if self.saving else self.stop).check()

    def for_saving(self) -> "ClaimFence":
        """The fence of what is saved after a stop."""
        return ClaimFence(self.store, self.stop, saving=True)
