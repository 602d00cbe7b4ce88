"""The step that waits in the session's mailbox.

Its heartbeat begins when it is seen, not when it is taken: an interrupted step may still be saving then, and the state
machine must not give the workspace up meanwhile.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from sitewright.contracts.records import SessionRecord
from sitewright.contracts.steps import StepRequest
from workspace.lifecycle.task_heartbeat import HEARTBEAT_SECONDS, Heartbeat
from workspace.system.aws_clients import Clients
from workspace.system.stop import Stop


@dataclass(frozen=True)
class Offer:
    """An offered step, with the heartbeat that runs for it and what that notes."""

    request: StepRequest
    heartbeat: Heartbeat
    stop: Stop


class Mailbox:
    """The newest session a refresher has read, and the heartbeat of what lies in its mailbox. Safe from two threads."""

    def __init__(
        self,
        clients: Clients,
        log: Callable[..., None],
        *,
        every: float = HEARTBEAT_SECONDS,
        heartbeat: Callable[..., Heartbeat] = Heartbeat,
    ) -> None:
        self._heartbeat = heartbeat
        self._clients = clients
        self._log = log
        self._every = every
        self._changed = threading.Condition()
        self._session: SessionRecord | None = None
        self._offer: Offer | None = None
        self._handled: str | None = None

    def see(self, session: SessionRecord) -> None:
        """Notes a session just read."""
        offer = session.mailbox
        with self._changed:
            self._session = session
            known = self._offer.request.task_token if self._offer else None
            if offer is not None and offer.task_token not in {known, self._handled}:
                self._forget()
                stop = Stop()
                heartbeat = self._heartbeat(self._clients, offer.task_token, stop, self._log, every=self._every)
                heartbeat.start()
                self._offer = Offer(offer, heartbeat, stop)
            self._changed.notify_all()

    def wait(self, seconds: float) -> tuple[SessionRecord | None, Offer | None]:
        """A session read since the last call, waited for if need be (None after `seconds`), and the offer that is known."""
        with self._changed:
            self._changed.wait_for(lambda: self._session is not None, seconds)
            session, self._session = self._session, None
            return session, self._offer

    def stale(self, session: SessionRecord) -> StepRequest | None:
        """What lies in the mailbox although it was taken or dropped: put there again by a call that was repeated late."""
        offer = session.mailbox
        with self._changed:
            return offer if offer is not None and offer.task_token == self._handled else None

    def take(self) -> Offer:
        """The offer, which is from now on the caller's to end."""
        with self._changed:
            offer = self._offer
            if offer is None:
                raise RuntimeError("the mailbox is empty")
            self._offer, self._handled = None, offer.request.task_token
            return offer

    def drop(self) -> None:
        """Forgets the offer and ends its heartbeat."""
        with self._changed:
            self._forget()

    def _forget(self) -> None:
        if self._offer is not None:
            self._handled = self._offer.request.task_token
            self._offer.heartbeat.stop(wait=False)
            self._offer = None
