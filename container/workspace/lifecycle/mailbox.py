"""The offer in the session's mailbox.

The offer's heartbeat begins when the offer is first read, not when it is taken. The workspace may still be saving an
interrupted step then. The state machine must not give up on this workspace meanwhile.
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
    """An offered step, its running heartbeat, and the `Stop` that gets the heartbeat's findings."""

    request: StepRequest
    heartbeat: Heartbeat
    stop: Stop


class Mailbox:
    """The newest session record and the offer in its mailbox. Safe to use from two threads."""

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

    def update(self, session: SessionRecord) -> None:
        """Stores a session that was just read."""
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
        """Returns a session read since the last call (None after `seconds`), and the known offer."""
        with self._changed:
            self._changed.wait_for(lambda: self._session is not None, seconds)
            session, self._session = self._session, None
            return session, self._offer

    def repeated_offer(self, session: SessionRecord) -> StepRequest | None:
        """Returns the offer in the mailbox if it was handled already.

        A late repetition of the call put it there again.
        """
        offer = session.mailbox
        with self._changed:
            return offer if offer is not None and offer.task_token == self._handled else None

    def take(self) -> Offer:
        """Hands the known offer over. The caller ends its heartbeat."""
        with self._changed:
            offer = self._offer
            if offer is None:
                raise RuntimeError("the mailbox is empty")
            self._offer, self._handled = None, offer.request.task_token
            return offer

    def drop(self) -> None:
        """Forgets the known offer and ends its heartbeat."""
        with self._changed:
            self._forget()

    def _forget(self) -> None:
        if self._offer is not None:
            self._handled = self._offer.request.task_token
            self._offer.heartbeat.stop(wait=False)
            self._offer = None
