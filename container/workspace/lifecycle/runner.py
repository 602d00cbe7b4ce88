"""The life of a workspace: it claims the session, does its first step, then the steps offered in the mailbox.

After a command's last step the workspace waits `idleSeconds` for the session's next command. With 0 it ends with the
command.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.records import SessionRecord
from sitewright.contracts.sfn_errors import SfnError
from sitewright.contracts.steps import STEP_KINDS, BuildResult, Interruption, StepRequest
from workspace.agent.driver_command import driver_program
from workspace.claim.claim_refresher import ClaimRefresher
from workspace.claim.claiming import Attempt, Claiming
from workspace.claim.fence import ClaimFence
from workspace.claim.session import SessionStore
from workspace.errors import Fenced, StepStopped, StopReason, WorkspaceBusy
from workspace.lifecycle.idle_wait import COMMAND_GAP_SECONDS, STEP_GAP_SECONDS, IdleWait
from workspace.lifecycle.interruption import InterruptionHandler
from workspace.lifecycle.mailbox import Mailbox, Offer
from workspace.lifecycle.step_end import EXIT_CLAIM_LOST, EXIT_DONE, EXIT_UNREPORTED, Follows, StepEnd
from workspace.lifecycle.step_report import Reporter
from workspace.lifecycle.step_run import StepRun, report_failure
from workspace.lifecycle.task_heartbeat import HEARTBEAT_SECONDS, Heartbeat
from workspace.repository.checkpoints.checkpoint import PERIOD_SECONDS
from workspace.system.aws_clients import Clients
from workspace.system.freed_memory import give_back
from workspace.system.json_log import Log
from workspace.system.prestarted_process import PrestartedProcess
from workspace.system.settings import Settings
from workspace.system.stop import Signals, Stop

BUSY_SECONDS = 120.0
"""How long a workspace waits while another workspace has a live claim. Saving an interrupted step takes a third of
it."""

CLAIM_POLL_SECONDS = 0.25

EAGER_FOR_SECONDS = 3.0
"""How long an immediate offer is expected: after a step with a next step, and after an interrupt."""

PRESTART_IDLE_SECONDS = 15
"""The least `idleSeconds` for which the driver starts early after a run. The start takes 0.4 s of a core, and a person
rarely writes the next message within some seconds."""


@dataclass(frozen=True)
class Timing:
    """Intervals in seconds, which tests shorten."""

    busy: float = BUSY_SECONDS
    heartbeat: float = HEARTBEAT_SECONDS
    checkpoint: float = PERIOD_SECONDS
    step_gap: float = STEP_GAP_SECONDS
    command_gap: float = COMMAND_GAP_SECONDS
    clock: Callable[[], float] = time.monotonic
    """The clock of the idle wait; tests set it."""


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
    prestarted: PrestartedProcess | None = None
    """The agent's driver, started early. None: the step starts the driver."""

    def run(self) -> int:
        """Does the steps and returns the exit code: 0 reported, 1 not reported, 3 claim lost."""
        store = SessionStore(
            self.clients, self.settings.sessions_table, self.settings.commands_table, self.request, self.workspace_id
        )
        reporter = Reporter(self.clients, self.request.task_token, self.log)
        self.signals.follow(self.stop)
        beat = Heartbeat(self.clients, self.request.task_token, self.stop, self.log, every=self.timing.heartbeat)
        # The first heartbeat comes before the claim. A container that starts after its state ended must not claim the
        # session.
        beat.beat()
        if STEP_KINDS[self.request.step].agent_at_work:
            self._prestart_driver()
        with beat:
            try:
                session = self._claim(store, beat)
            except WorkspaceBusy as error:
                self._unclaim(store, reporter)
                info = ErrorInfo.of(ErrorCode.WORKSPACE_BUSY, str(error))
                return _exit(reporter.failure(SfnError.BUSY, info))
            except StepStopped as stopped:
                return self._stopped_unclaimed(stopped.reason, store, reporter)
            except Exception as error:
                self._unclaim(store, reporter)
                return _exit(report_failure(error, reporter, self.log))
            if session is None:
                self.log("the session's workspace took the step over")
                return EXIT_DONE
            mailbox = Mailbox(self.clients, self.log, every=self.timing.heartbeat)
            with ClaimRefresher(store, self.stop, self.log, seen=mailbox.update) as refresher:
                step_run = StepRun(
                    self.settings,
                    self.clients,
                    store,
                    reporter,
                    session,
                    self.stop,
                    self.log,
                    self.timing.checkpoint,
                    prestarted=self.prestarted,
                )
                try:
                    return self._live(step_run, beat, refresher, mailbox)
                finally:
                    mailbox.drop()
                    if step_run.working_copy is not None:
                        step_run.working_copy.push.cancel()

    def _live(self, step_run: StepRun, beat: Heartbeat, refresher: ClaimRefresher, mailbox: Mailbox) -> int:
        while True:
            end = step_run.run()
            beat.stop(wait=False)
            if end.follows is None:
                return end.code
            if self._agent_may_follow(step_run, end):
                self._prestart_driver()
            stop = self.signals.follow(Stop())
            over = end.follows is Follows.NOTHING and StopReason.INTERRUPT not in step_run.stop.reasons
            refresher.follow(step_run.store, stop, self.log, idle=True, eager=0.0 if over else EAGER_FOR_SECONDS)
            if over:
                give_back()
            if over and step_run.working_copy is not None:
                step_run.working_copy.cache.start(ClaimFence(step_run.store, stop, stopped=True))
            try:
                offer = self._idle_wait(step_run, end, mailbox, stop).next()
            except (Fenced, StepStopped) as error:
                step_run.log("the claim was lost while waiting", level="error", error=str(error))
                return EXIT_CLAIM_LOST
            except (ClientError, BotoCoreError) as error:
                self.log("the session cannot be reached", level="error", error=str(error))
                return EXIT_UNREPORTED
            finally:
                if step_run.working_copy is not None:
                    step_run.working_copy.cache.cancel()
            if offer is None:
                return EXIT_DONE
            accepted, session = offer
            beat = accepted.heartbeat
            step_run = self._next_step_run(step_run, accepted, session)
            refresher.follow(step_run.store, accepted.stop, step_run.log)

    def _idle_wait(self, step_run: StepRun, end: StepEnd, mailbox: Mailbox, stop: Stop) -> IdleWait:
        gaps = self.timing.step_gap, self.timing.command_gap
        return IdleWait(step_run, end, mailbox, stop, self.settings.idle_seconds, *gaps, self.timing.clock)

    def _next_step_run(self, before: StepRun, offer: Offer, session: SessionRecord) -> StepRun:
        request = offer.request
        log = self.log.bind(sessionId=request.session_id, commandId=request.command_id, step=request.step.value)
        log.hide(request.task_token)
        return StepRun(
            self.settings,
            self.clients,
            replace(before.store, request=request),
            Reporter(self.clients, request.task_token, log),
            session,
            self.signals.follow(offer.stop),
            log,
            self.timing.checkpoint,
            working_copy=before.working_copy,
            prestarted=self.prestarted,
        )

    def _agent_may_follow(self, step_run: StepRun, end: StepEnd) -> bool:
        if end.follows is Follows.NOTHING:
            return self.settings.idle_seconds >= PRESTART_IDLE_SECONDS
        # Only the state machine knows whether another repair is allowed.
        broken = isinstance(step_run.result, BuildResult) and step_run.result.broken_by_edit
        return broken or end.follows is Follows.NEWER_COMMAND

    def _prestart_driver(self) -> None:
        """Starts the agent's driver before the step `agent` begins. The start takes a second."""
        if self.prestarted is not None:
            self.prestarted.start(driver_program(self.settings))

    def _claim(self, store: SessionStore, beat: Heartbeat) -> SessionRecord | None:
        """Takes the session's claim. Returns None if the workspace with the claim took the step.

        Raises WorkspaceBusy, StepStopped (INTERRUPT: a newer command was accepted).
        """
        deadline = time.monotonic() + self.timing.busy
        claiming = Claiming(store, is_awaited=beat.beat)
        waiting = False
        while True:
            self.stop.check()
            attempt, session = claiming.attempt()
            if attempt is not Attempt.BUSY:
                return session if attempt is Attempt.CLAIMED else None
            if time.monotonic() > deadline:
                raise WorkspaceBusy(f"{session.workspace_id} kept the session's claim for {self.timing.busy:.0f} s")
            if not waiting:
                waiting = True
                self.log("waiting for another workspace of the session", workspaceId=session.workspace_id)
            self.stop.sleep(CLAIM_POLL_SECONDS)

    def _unclaim(self, store: SessionStore, reporter: Reporter) -> None:
        # If the answer to `claim` got lost, this workspace may have the claim unknowingly, and would serve no offer.
        InterruptionHandler(store, ClaimFence(store, self.stop), reporter, self.stop, self.log).leave()

    def _stopped_unclaimed(self, reason: StopReason, store: SessionStore, reporter: Reporter) -> int:
        # Nothing was changed, so there is nothing to save. The older command's edits are in the checkpoint: the newer
        # command's workspace commits them.
        self._unclaim(store, reporter)
        reported = True
        self.log("step stopped before it began", level="warning", reason=reason.value)
        if reason is StopReason.INTERRUPT:
            with contextlib.suppress(ClientError, BotoCoreError):
                # The workspace of an earlier step may have recorded its saved work. That record says more.
                store.record_interruption(Interruption(step=self.request.step), if_absent=True)
            info = ErrorInfo.of(ErrorCode.INTERRUPTED, "A newer command of the session was accepted.")
            reported = reporter.failure(SfnError.INTERRUPTED, info)
        elif reason is StopReason.TERMINATED:
            info = ErrorInfo.of(ErrorCode.WORKSPACE_CRASHED, "The workspace was asked to stop before it began.")
            reported = reporter.failure(SfnError.STOPPED, info)
        return _exit(reported)


def _exit(reported: bool) -> int:
    return EXIT_DONE if reported else EXIT_UNREPORTED


__all__ = ["EXIT_CLAIM_LOST", "EXIT_DONE", "EXIT_UNREPORTED", "Runner", "Timing"]
