"""One workspace's claim on one session, for one step. Calls the tables' transitions for this workspace."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.base import Contract
from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.records import CommandRecord, SessionRecord
from sitewright.contracts.steps import Interruption, StepRequest
from sitewright.retry import Backoff
from sitewright.tables.commands import Commands
from sitewright.tables.sessions import Sessions
from sitewright.tables.table import Table
from workspace.errors import Fenced, StepFailed
from workspace.system.aws_clients import Clients

BACKOFF = Backoff(seconds=8.0, first=0.02, longest=1.0)
"""How a call is repeated after a conflict or a network error. It ends before CLAIM_SECONDS, when the claim has
expired."""


@dataclass(frozen=True)
class SessionStore:
    """The claim, its step, and whether the claim is released or lost.

    Reads and writes are repeated for BACKOFF.seconds. Then they raise botocore's exceptions.
    """

    clients: Clients
    sessions_table: str
    commands_table: str
    request: StepRequest
    workspace_id: str
    now: Callable[[], float] = field(default=time.time, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    released: threading.Event = field(default_factory=threading.Event, repr=False)
    """Set before the claim is released. From then on a refusal is expected."""
    lost: threading.Event = field(default_factory=threading.Event, repr=False)
    """Set for good once the claim is lost, also for the background work of an earlier step."""

    @property
    def sessions(self) -> Sessions:
        """The sessions table."""
        return Sessions(Table(self.clients.dynamodb, self.sessions_table, BACKOFF, self.sleep))

    @property
    def commands(self) -> Commands:
        """The commands table."""
        return commands_table(self.clients, self.commands_table, self.sleep)

    def claim(self) -> tuple[bool, SessionRecord]:
        """Takes the claim for the step if it is free, expired or ours.

        Returns whether it did, and the session after that.

        Raises StepFailed if there is no such session.
        """
        session = self.sessions.claim(self.request, self.workspace_id, self._ms())
        return (True, session) if session else (False, self.read())

    def read(self) -> SessionRecord:
        """Returns the session, read consistently. Raises StepFailed if there is none."""
        session = self.sessions.read(self.request)
        if session is None:
            raise StepFailed(ErrorCode.INTERNAL, f"there is no session {self.request.session_id!r} in the table")
        return session

    def peek(self) -> SessionRecord | None:
        """Returns the session by an eventually consistent read (see `Sessions.peek`).

        Raises botocore's exceptions at once.
        """
        return self.sessions.peek(self.request)

    def read_command(self) -> CommandRecord:
        """Returns the command, read consistently. Raises StepFailed if there is none."""
        command = self.commands.read(self.request)
        if command is None:
            raise StepFailed(ErrorCode.INTERNAL, f"there is no command {self.request.command_id!r} in the table")
        return command

    def refresh(self, *, repeated: bool = True) -> SessionRecord:
        """Prolongs the claim and returns the session. Raises Fenced if the claim is not ours any more."""
        session = self.sessions.refresh(self.request, self.workspace_id, self._ms(), repeated=repeated)
        if session is None:
            raise _fenced()
        return session

    def set_checkpoint(self, key: str, conversation_id: str | None) -> None:
        """Makes an object the session's checkpoint. Raises Fenced if the claim is not ours any more."""
        ids = self.request, self.workspace_id
        if not self.sessions.set_checkpoint(*ids, key, conversation_id, now=self._ms()):
            raise _fenced()

    def offer(self) -> bool:
        """Puts the step into the mailbox of the workspace with a live claim. Returns False without a live claim."""
        return self.sessions.offer(self.request, self.workspace_id, self._ms())

    def take(self) -> SessionRecord:
        """Takes the step out of the mailbox. Raises Fenced if it is gone, or if a newer command was accepted."""
        session = self.sessions.take(self.request, self.workspace_id)
        if session is None:
            # The first answer may have got lost. Then the repeated call finds the step taken by itself.
            session = self.read()
            if session.workspace_id != self.workspace_id or session.serving != self.request:
                raise _fenced()
        return session

    def withdraw(self, request: StepRequest) -> None:
        """Removes an obsolete step from the mailbox, if it is still there."""
        self.sessions.withdraw(request, self.workspace_id)

    def is_current(self) -> bool:
        """Prolongs the claim. Returns False if a newer command was accepted. Raises Fenced if the claim is lost."""
        return self.refresh().generation == self.request.generation

    def finish_step(self, generation: int, *, idle: bool) -> None:
        """Notes that no step is under way and all work up to `generation` is saved. Raises Fenced.

        `idle`: the run needs the workspace no more, so that it may be asked to leave.
        """
        since = self._ms() if idle else None
        if not self.sessions.finish_step(self.request, self.workspace_id, generation, idle_since=since):
            raise _fenced()

    def release_idle(self) -> bool:
        """Releases the claim if the mailbox is empty. Returns False if the mailbox has a step."""
        self.released.set()
        if self.sessions.release_idle(self.request, self.workspace_id):
            return True
        if self.read().workspace_id == self.workspace_id:
            self.released.clear()
            return False
        return True

    def abandon(self) -> StepRequest | None:
        """Releases the claim and empties the mailbox. Returns the mailbox's step, whose token needs an answer."""
        self.released.set()
        before = self.sessions.abandon(self.request, self.workspace_id)
        return before.mailbox if before else None

    def record(self, part: str, value: Contract, *, if_absent: bool = False) -> None:
        """Writes one part of the command's item (`agent`, `build`, `push`, ...).

        With `if_absent` an existing part stays. Raises StepFailed if there is no such command.
        """
        if not self.commands.record_part(self.request, part, value, if_absent=if_absent) and not if_absent:
            raise StepFailed(ErrorCode.INTERNAL, f"there is no command {self.request.command_id!r} in the table")

    def record_interruption(self, value: Interruption, *, if_absent: bool = False) -> None:
        """Writes the saved work. Once its push has ended, wakes the state machine that waits to answer the command.

        With `if_absent` an existing record stays. Raises StepFailed if there is no such command.
        """
        record = self.commands.record_interruption(self.request, value, if_absent=if_absent)
        if record is None:
            if not if_absent:
                raise StepFailed(ErrorCode.INTERNAL, f"there is no command {self.request.command_id!r} in the table")
        elif record.answer_token and not value.pushing:
            # A lost call costs two seconds: then respond looks by itself.
            with contextlib.suppress(ClientError, BotoCoreError):
                self.clients.stepfunctions.send_task_success(taskToken=record.answer_token, output="{}")

    def _ms(self) -> int:
        return int(self.now() * 1000)


def commands_table(clients: Clients, name: str, sleep: Callable[[float], None] = time.sleep) -> Commands:
    """Returns the commands table with the workspace's short timeouts and its backoff."""
    return Commands(Table(clients.dynamodb, name, BACKOFF, sleep))


def _fenced() -> Fenced:
    return Fenced("this workspace does not have the session's claim")
