"""The life of a workspace: claim the session, do the step it was started for, and then what comes into the mailbox.

A workspace of a site with `idleSeconds` 0 ends after its first step.
"""

import contextlib
import time
from dataclasses import dataclass, field, replace

from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import ErrorCode, ErrorInfo, SfnError
from contracts.records import SessionRecord
from contracts.steps import Interruption, StepRequest
from workspace.aws import Clients
from workspace.checkpoint import PERIOD_SECONDS
from workspace.errors import Fenced, StepStopped, StopReason, WorkspaceBusy
from workspace.inbox import Inbox, Mail
from workspace.logs import Log
from workspace.pulse import HEARTBEAT_SECONDS, Heartbeat, Pulse
from workspace.report import Reporter
from workspace.save import EXIT_CLAIM_LOST, EXIT_DONE, EXIT_UNREPORTED, PUSH_SECONDS, End
from workspace.session import SessionStore
from workspace.settings import Settings
from workspace.stop import Signals, Stop
from workspace.turn import Turn, report_failure

BUSY_SECONDS = 120.0
"""How long a live claim of another workspace is waited for: an interrupt's saving takes a third of that."""

CLAIM_POLL_SECONDS = 0.25
WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class Timing:
    """Intervals in seconds, which tests shorten."""

    busy: float = BUSY_SECONDS
    heartbeat: float = HEARTBEAT_SECONDS
    checkpoint: float = PERIOD_SECONDS


@dataclass(frozen=True)
class Runner:
    """One workspace. `request` is the step its container was started for."""

    settings: Settings
    request: StepRequest
    clients: Clients
    log: Log
    stop: Stop
    workspace_id: str
    timing: Timing = field(default_factory=Timing)
    signals: Signals = field(default_factory=Signals)

    def run(self) -> int:
        """Does the steps and returns the exit code: 0 reported, 1 not reported, 3 claim lost."""
        store = SessionStore(
            self.clients, self.settings.sessions_table, self.settings.commands_table, self.request, self.workspace_id
        )
        reporter = Reporter(self.clients, self.request.task_token, self.log)
        self.signals.follow(self.stop)
        beat = Heartbeat(self.clients, self.request.task_token, self.stop, self.log, every=self.timing.heartbeat)
        with beat:
            try:
                session = self._claim(store)
            except WorkspaceBusy as error:
                info = ErrorInfo.of(ErrorCode.WORKSPACE_BUSY, str(error))
                return _exit(reporter.failure(SfnError.BUSY, info))
            except StepStopped as stopped:
                return self._stopped_unclaimed(stopped.reason, store, reporter)
            except Exception as error:
                return _exit(report_failure(error, reporter, self.log))
            if session is None:
                self.log("the session's workspace took the step over")
                return EXIT_DONE
            inbox = Inbox(self.clients, self.log, every=self.timing.heartbeat)
            with Pulse(store, self.stop, self.log, seen=inbox.see) as pulse:
                turn = Turn(
                    self.settings,
                    self.clients,
                    store,
                    reporter,
                    session,
                    self.stop,
                    self.log,
                    self.timing.checkpoint,
                )
                try:
                    return self._live(turn, beat, pulse, inbox)
                finally:
                    inbox.drop()

    def _live(self, turn: Turn, beat: Heartbeat, pulse: Pulse, inbox: Inbox) -> int:
        while True:
            end = turn.run()
            beat.stop(wait=False)
            if not end.stays:
                return end.code
            stop = self.signals.follow(Stop())
            pulse.follow(turn.store, stop, self.log, idle=True)
            try:
                mail = _Wait(turn, end, inbox, stop, self.settings.idle_seconds).next()
            except Fenced:
                return EXIT_CLAIM_LOST
            except (ClientError, BotoCoreError) as error:
                self.log("the session cannot be reached", level="error", error=str(error))
                return EXIT_UNREPORTED
            if mail is None:
                return EXIT_DONE
            taken, session = mail
            beat = taken.heartbeat
            turn = self._turn(turn, taken, session)
            pulse.follow(turn.store, taken.stop, turn.log)

    def _turn(self, before: Turn, mail: Mail, session: SessionRecord) -> Turn:
        request = mail.request
        log = self.log.bind(sessionId=request.session_id, commandId=request.command_id, step=request.step.value)
        log.hide(request.task_token)
        return Turn(
            self.settings,
            self.clients,
            replace(before.store, request=request),
            Reporter(self.clients, request.task_token, log),
            session,
            self.signals.follow(mail.stop),
            log,
            self.timing.checkpoint,
            desk=before.desk,
        )

    def _claim(self, store: SessionStore) -> SessionRecord | None:
        """Takes the session's claim; None if the workspace that holds it took the step over.

        Raises WorkspaceBusy, StepStopped (INTERRUPT: a newer command is there).
        """
        deadline = time.monotonic() + self.timing.busy
        waiting = offered = False
        while True:
            self.stop.check()
            ours, session = store.claim()
            if session.generation > self.request.generation:
                raise StepStopped(StopReason.INTERRUPT)
            if ours:
                return session
            if offered and (session.mailbox is None or session.mailbox.task_token != self.request.task_token):
                return None
            if time.monotonic() > deadline:
                raise WorkspaceBusy(f"{session.workspace_id} kept the session's claim for {self.timing.busy:.0f} s")
            if not waiting:
                waiting = True
                self.log("waiting for another workspace of the session", holder=session.workspace_id)
            if self.settings.idle_seconds > 0 and not offered:
                offered = store.hand_over()
            self.stop.sleep(CLAIM_POLL_SECONDS)

    def _stopped_unclaimed(self, reason: StopReason, store: SessionStore, reporter: Reporter) -> int:
        # Nothing was touched, so there is nothing to save; the older command's edits are in the checkpoint, and the
        # workspace of the newer command commits them.
        self.log("step stopped before it began", level="warning", reason=reason.value)
        if reason is StopReason.INTERRUPT:
            with contextlib.suppress(ClientError, BotoCoreError):
                # An earlier step's workspace may have recorded what it saved: that is the better answer.
                store.record("interruption", Interruption(step=self.request.step), if_absent=True)
            info = ErrorInfo.of(ErrorCode.INTERRUPTED, "A newer command of the session was accepted.")
            reporter.failure(SfnError.INTERRUPTED, info)
        elif reason is StopReason.TERMINATED:
            info = ErrorInfo.of(ErrorCode.WORKSPACE_CRASHED, "The workspace was asked to stop before it began.")
            reporter.failure(SfnError.STOPPED, info)
        return EXIT_DONE


@dataclass
class _Wait:
    """The time between two steps of a workspace that stays."""

    turn: Turn
    end: End
    inbox: Inbox
    stop: Stop
    idle_seconds: float

    def next(self) -> tuple[Mail, SessionRecord] | None:
        """The next step, taken; None if the workspace ends, its claim given back.

        Raises Fenced (claim lost), botocore's exceptions.
        """
        turn, store = self.turn, self.turn.store
        generation = self._rest(store.request.generation)
        until = time.monotonic() + self.idle_seconds
        while True:
            if StopReason.CLAIM_LOST in self.stop.reasons:
                raise Fenced("the claim was lost while waiting")
            if StopReason.TERMINATED in self.stop.reasons:
                turn.log("asked to stop while waiting")
                self._push_ended(cancel=True)
                turn.saver.leave()
                return None
            session, mail = self.inbox.wait(WAIT_SECONDS)
            if session is None:
                continue
            if session.generation > generation:
                generation = self._superseded(session.generation)
            if mail is not None and mail.request.generation < session.generation:
                store.drop(mail.request)
                self.inbox.drop()
            elif mail is not None:
                if taken := self._take(mail):
                    return taken
            elif time.monotonic() > until and self._push_ended() and store.leave():
                turn.log("nothing to do any more, the workspace ends")
                return None

    def _rest(self, generation: int) -> int:
        if self.end.settled:
            # An interrupt's saving is for all commands up to the newest.
            generation = max(generation, self.turn.store.refresh().generation)
        self.turn.store.rest(generation)
        return generation

    def _superseded(self, generation: int) -> int:
        """A newer command was accepted while the older one was between two steps."""
        if not self.end.settled:
            self.turn.saver.superseded()
            self.end = replace(self.end, settled=True)
        self.turn.store.rest(generation)
        return generation

    def _take(self, mail: Mail) -> tuple[Mail, SessionRecord] | None:
        try:
            session = replace(self.turn.store, request=mail.request).take()
        except Fenced:
            # Replaced by a newer offer, which the next look finds; or the claim is lost, which the pulse finds out.
            self.inbox.drop()
            return None
        return self.inbox.take(), session

    def _push_ended(self, *, cancel: bool = False) -> bool:
        desk = self.turn.desk
        if desk is None:
            return True
        if cancel:
            desk.push.join(PUSH_SECONDS)
            desk.push.cancel()
        return not desk.push.busy


def _exit(reported: bool) -> int:
    return EXIT_DONE if reported else EXIT_UNREPORTED


__all__ = ["EXIT_CLAIM_LOST", "EXIT_DONE", "EXIT_UNREPORTED", "Runner", "Timing"]
