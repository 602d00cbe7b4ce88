"""Does one step under the session's claim.

The order at the end matters: checkpoint, record, check that no newer command was accepted, report. The workspace keeps
the claim. An interrupt after the report is handled while the workspace waits.
"""

import contextlib
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.records import SessionRecord
from sitewright.contracts.sfn_errors import SfnError
from sitewright.contracts.steps import STEP_KINDS, StepKind, StepName
from sitewright.publishing import manifest_store
from workspace.build.site_publish import publish_target
from workspace.claim.fence import ClaimFence
from workspace.claim.session import SessionStore
from workspace.errors import Fenced, StepFailed, StepStopped, StopReason, WorkspaceError
from workspace.lifecycle.interruption import InterruptionHandler
from workspace.lifecycle.step_end import EXIT_DONE, EXIT_UNREPORTED, Follows, StepEnd
from workspace.lifecycle.step_report import Reporter, for_record
from workspace.lifecycle.working_copy import WorkingCopy
from workspace.repository.newer_work.taking_in import NewerWork
from workspace.step_context import StepContext
from workspace.steps.step_registry import STEPS, StepResult
from workspace.system.aws_clients import Clients
from workspace.system.children import ProcessChildren
from workspace.system.json_log import Log
from workspace.system.prestarted_process import PrestartedProcess
from workspace.system.settings import Settings
from workspace.system.stop import Stop


@dataclass
class StepRun:
    """Does one step. `working_copy` comes from the workspace's previous step; None in its first step."""

    settings: Settings
    clients: Clients
    store: SessionStore
    reporter: Reporter
    session: SessionRecord
    stop: Stop
    log: Log
    checkpoint_seconds: float
    working_copy: WorkingCopy | None = None
    prestarted: PrestartedProcess | None = None
    result: StepResult | None = None

    def __post_init__(self) -> None:
        self.fence = ClaimFence(self.store, self.stop)
        push = self.working_copy.push if self.working_copy is not None else None
        self.interruption = InterruptionHandler(self.store, self.fence, self.reporter, self.stop, self.log, push=push)

    @property
    def kind(self) -> StepKind:
        """The properties of the step's kind."""
        return STEP_KINDS[self.store.request.step]

    def run(self) -> StepEnd:
        """Does the step and reports it."""
        try:
            if self.working_copy is not None:
                # The push of an interrupted step's commit may still use the token: no guest may be alive with it.
                self.working_copy.push.settle()
            self.settings.guest.end_all(self.log)
            ctx = self._prepare()
            try:
                result = self._do(ctx)
            finally:
                self.settings.guest.end_all(self.log)
            return self.finish(result)
        except Exception as error:
            return self.ended(error)

    def ended(self, error: Exception) -> StepEnd:
        """Handles the exception that ended the step."""
        if isinstance(error, StepStopped):
            return self._stopped(error.reason)
        if isinstance(error, Fenced):
            self.log("fenced off", level="warning", error=str(error))
            return self._stopped(self.stop.reason or StopReason.CLAIM_LOST)
        if self.result is not None and isinstance(error, (ClientError, BotoCoreError)):
            return self._unreachable(error)
        return self._failed(error)

    def _unreachable(self, error: Exception) -> StepEnd:
        # The step's work is done, but not recorded. `task_stopped` finds the step in the session; a new workspace
        # repeats it.
        self.log("the session cannot be reached, the workspace ends", level="error", error=str(error))
        return StepEnd(EXIT_UNREPORTED)

    def _prepare(self) -> StepContext:
        began, request = time.monotonic(), self.store.request
        warm = self.working_copy is not None
        working_copy = self.working_copy or WorkingCopy.create(
            self.settings, self.clients, self.store, self.session, self.log
        )
        working_copy.switch_to(request, self.store, self.log)
        self.working_copy = working_copy
        self.interruption = replace(self.interruption, push=working_copy.push)
        ctx = StepContext(
            settings=self.settings,
            request=request,
            command=self.store.read_command(),
            session=self.session,
            paths=self.settings.paths,
            checkout=working_copy.checkout,
            children=ProcessChildren(self.stop, self.log, guest=self.settings.guest, prestarted=self.prestarted),
            newer=working_copy.newer,
            author=working_copy.author,
            fence=self.fence,
            aws=self.clients,
            log=self.log,
            progress=self.log.progress,
            hide=self.log.hide,
            checkpoint_in_background=lambda: working_copy.checkpointer.write_in_background(self.fence),
            save_commit=lambda commit: working_copy.checkpointer.save(commit, self.fence),
            checkpoints_paused=lambda: working_copy.checkpointer.paused(self.fence.check_stop),
            repair_repository=lambda: working_copy.repair_repository(self.stop),
        )
        takes_in = self._look_ahead(ctx)
        base = working_copy.intact_head() if warm else None
        if base is None:
            working_copy.restore(self.session.checkpoint, request, self.fence, self.stop)
        if working_copy.checkout.abandon_merge():
            base = None
        if takes_in is not None:
            ctx = replace(ctx, taken=takes_in.take_in(poll=self.fence.check_stop), others_changed=takes_in.moved)
            base = None if takes_in.tried else base
        base = working_copy.checkpointer.base = base or working_copy.checkout.head()
        ctx = replace(ctx, base=base)
        self.interruption = replace(self.interruption, ctx=ctx, checkpointer=working_copy.checkpointer, base=base)
        self.stop.check()
        if takes_in is not None and takes_in.moved:
            # The agent may destroy the repository, and the git host does not have the merge yet.
            ctx.checkpoint_in_background()
            takes_in.moved = request.step is not StepName.AGENT
        seconds = round(time.monotonic() - began, 3)
        self.log("workspace ready", seconds=seconds, warm=warm, head=base, branch=working_copy.checkout.branch)
        return ctx

    def _look_ahead(self, ctx: StepContext) -> NewerWork | None:
        """Begins to look for newer work, if the step begins a command. So its own edits will be all that it changes."""
        if ctx.newer is None:
            return None
        ctx.newer.live = lambda: manifest_store.read_head(publish_target(ctx))
        ctx.newer.paused = ctx.checkpoints_paused
        if self.store.request.step not in {StepName.AGENT, StepName.PREPARE}:
            return None
        ctx.newer.look_ahead()
        return ctx.newer

    def _do(self, ctx: StepContext) -> StepResult:
        run = STEPS[self.store.request.step]
        working_copy = self.working_copy
        if self.kind.agent_at_work and working_copy is not None:
            with working_copy.checkpointer.periodically(self.fence, every=self.checkpoint_seconds):
                return run(ctx)
        return run(ctx)

    def finish(self, result: StepResult) -> StepEnd:
        """Checkpoints, records and reports a completed step. `ended` handles the exceptions that it raises."""
        self.result = result
        last = self.kind.last_of_run
        if self.working_copy is not None:
            self.working_copy.checkpointer.write(self.fence, settled=last)
        self._record(result)
        if not self.store.is_current():
            raise StepStopped(StopReason.INTERRUPT)
        self.log("step done", result=json.loads(result.to_json()))
        return self._reported(self.reporter.success(result), settled=last)

    def _reported(self, reported: bool, *, settled: bool) -> StepEnd:
        # `task_stopped` finds an unreported step in the session and reports it.
        if not reported:
            return StepEnd(EXIT_UNREPORTED)
        # A failed push or salvage is the run's last step too.
        return StepEnd(EXIT_DONE, Follows.NOTHING if self.kind.last_of_run else Follows.STEP, settled=settled)

    def _stopped(self, reason: StopReason) -> StepEnd:
        # A step that was complete before the interrupt still records its result.
        if self.result is not None and reason is StopReason.INTERRUPT:
            with contextlib.suppress(ClientError, BotoCoreError, StepFailed):
                self._record(self.result)
        return self.interruption.stopped(reason)

    def _failed(self, error: Exception) -> StepEnd:
        try:
            self.interruption.checkpoint(self.fence)
            if isinstance(error, StepFailed):
                if not self.store.is_current():
                    return self.interruption.stopped(StopReason.INTERRUPT)
                return self._reported(report_failure(error, self.reporter, self.log), settled=False)
        except Fenced:
            return self.interruption.stopped(self.stop.reason or StopReason.CLAIM_LOST)
        except (ClientError, BotoCoreError) as unreachable:
            return self._unreachable(unreachable)
        # An unexpected error may have left a bad state. So a new workspace restores the checkpoint for the next step.
        self.interruption.leave()
        return StepEnd(EXIT_DONE if report_failure(error, self.reporter, self.log) else EXIT_UNREPORTED)

    def _record(self, result: StepResult) -> None:
        self.store.record(self.kind.attribute, for_record(result))


def report_failure(error: Exception, reporter: Reporter, log: Callable[..., None]) -> bool:
    """Reports the error that ended a step. Returns whether the report got through."""
    if isinstance(error, StepFailed):
        log("step failed", level="error", code=error.error.code.value, error=error.error.message)
        return reporter.failure(SfnError.STEP_FAILED, error.error)
    log("unexpected error", level="error", error=repr(error), traceback=traceback.format_exc())
    # The workspace's own exceptions need no class name in the message.
    said = str(error) if isinstance(error, WorkspaceError) else f"{type(error).__name__}: {error}"
    info = ErrorInfo.of(ErrorCode.INTERNAL, said)
    return reporter.failure(SfnError.STEP_FAILED, info)
