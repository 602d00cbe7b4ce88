"""The step that waits in the session's mailbox.

Its heartbeat begins when it is seen, not when it is taken: an interrupted step may still be saving then, and the state
machine must not give the workspace up meanwhile.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from sitewright.contracts.records import SessionRecord
from sitewright.contracts.steps import StepRequest
from workspace.lifecycle.heartbeats import HEARTBEAT_SECONDS, Heartbeat
from workspace.system.aws_clients import Clients
from workspace.system.stop import Stop


@dataclass(frozen=True)
class Mail:
    """An offered step, with the heartbeat that runs for it and what that notes."""

    request: StepRequest
    heartbeat: Heartbeat
    stop: Stop


class Inbox:
    """The newest session a pulse has read, and the heartbeat of what lies in its mailbox. Safe from two threads."""

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
        self._mail: Mail | None = None
        self._taken: str | None = None

    def see(self, session: SessionRecord) -> None:
        """Notes a session just read."""
        mail = session.mailbox
        with self._changed:
            self._session = session
            known = self._mail.request.task_token if self._mail else None
            if mail is not None and mail.task_token not in {known, self._taken}:
                self._forget()
                stop = Stop()
                heartbeat = self._heartbeat(self._clients, mail.task_token, stop, self._log, every=self._every)
                heartbeat.start()
                self._mail = Mail(mail, heartbeat, stop)
            self._changed.notify_all()

    def wait(self, seconds: float) -> tuple[SessionRecord | None, Mail | None]:
        """A session read since the last call, waited for if need be (None after `seconds`), and the mail that is known."""
        with self._changed:
            self._changed.wait_for(lambda: self._session is not None, seconds)
            session, self._session = self._session, None
            return session, self._mail

    def stale(self, session: SessionRecord) -> StepRequest | None:
        """What lies in the mailbox although it was taken or dropped: put there again by a call that was repeated late."""
        mail = session.mailbox
        with self._changed:
            return mail if mail is not None and mail.task_token == self._taken else None

    def take(self) -> Mail:
        """The mail, which is from now on the caller's to end."""
        with self._changed:
            mail = self._mail
            if mail is None:
                raise RuntimeError("the inbox is empty")
            self._mail, self._taken = None, mail.request.task_token
            return mail

    def drop(self) -> None:
        """Forgets the mail and ends its heartbeat."""
        with self._changed:
            self._forget()

    def _forget(self) -> None:
        if self._mail is not None:
            self._taken = self._mail.request.task_token
            self._mail.heartbeat.stop(wait=False)
            self._mail = None
