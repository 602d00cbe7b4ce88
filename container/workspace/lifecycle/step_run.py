"""One step, done while holding the session's claim.

The order at the end is the point: checkpoint, record, make sure that no newer command was accepted, report. A workspace
that ends after the step gives its claim back in the same write that makes sure, so that an interrupt is served here or
finds a free claim and a checkpoint. One that stays keeps the claim: an interrupt after the write is served while it waits.
"""

import contextlib
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo, SfnError
from sitewright.contracts.records import SessionRecord
from sitewright.contracts.steps import BuildResult, StepName
from workspace.claim.fence import ClaimFence
from workspace.claim.session import Release, SessionStore
from workspace.errors import Fenced, StepFailed, StepStopped, StopReason, WorkspaceError
from workspace.lifecycle.interruption import PUSH_SECONDS, InterruptionHandler
from workspace.lifecycle.step_end import EXIT_DONE, EXIT_UNREPORTED, StepEnd
from workspace.lifecycle.step_report import Reporter, StepResult, for_record
from workspace.lifecycle.working_copy import WorkingCopy
from workspace.step_context import StepContext
from workspace.steps.step_registry import STEPS
from workspace.system.aws_clients import Clients
from workspace.system.children import ProcessChildren
from workspace.system.json_log import Log
from workspace.system.prestarted_process import PrestartedProcess
from workspace.system.settings import Settings
from workspace.system.stop import Stop

_RECORDED = {
    StepName.AGENT: "agent",
    StepName.REPAIR: "repair",
    StepName.BUILD: "build",
    StepName.PUSH: "push",
    StepName.SALVAGE: "push",
}

AGENTS = {StepName.AGENT, StepName.REPAIR}
"""The steps in which Claude Code is at work: their edits are checkpointed meanwhile."""

_LAST = {StepName.PUSH, StepName.SALVAGE}
"""The steps after which a run has nothing left to save."""


@dataclass
class StepRun:
    """Does one step. `working_copy` is the workspace's from the step before, or None."""

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
    def stays(self) -> bool:
        """Whether the workspace waits for the next step after this one."""
        return self.settings.idle_seconds > 0

    def run(self) -> StepEnd:
        """Does the step, reports, and keeps or gives back the claim."""
        try:
            ctx = self._prepare()
            result = self._do(ctx)
            return self.finish(result)
        except Exception as error:
            return self.ended(error)

    def ended(self, error: Exception) -> StepEnd:
        """What follows from the exception that ended the step."""
        if isinstance(error, StepStopped):
            return self._stopped(error.reason)
        if isinstance(error, Fenced):
            self.log("fenced off", level="warning", error=str(error))
            return self._stopped(self.stop.reason or StopReason.CLAIM_LOST)
        if self.result is not None and self.stays and isinstance(error, (ClientError, BotoCoreError)):
            return self._unreachable(error)
        return self._failed(error)

    def _unreachable(self, error: Exception) -> StepEnd:
        # The step itself was done. `task_stopped` finds it in the session and has it repeated in a fresh workspace.
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
            children=ProcessChildren(self.stop, self.log, prestarted=self.prestarted),
            fence=self.fence,
            aws=self.clients,
            log=self.log,
            progress=self.log.progress,
            checkpoint_in_background=lambda: working_copy.checkpointer.beside(self.fence),
            repair_repository=lambda: working_copy.repair_repository(self.stop),
        )
        if not warm or not working_copy.is_intact:
            working_copy.restore(self.session.checkpoint, request, self.fence, self.stop)
        base = working_copy.checkpointer.base = working_copy.checkout.head()
        self.interruption = replace(
            self.interruption, ctx=ctx, checkpointer=working_copy.checkpointer, base=base, stays=self.stays
        )
        self.stop.check()
        seconds = round(time.monotonic() - began, 3)
        self.log("workspace ready", seconds=seconds, warm=warm, head=base, branch=working_copy.checkout.branch)
        return ctx

    def _do(self, ctx: StepContext) -> StepResult:
        step = self.store.request.step
        run = STEPS[step]
        if step in _LAST and self.working_copy is not None:
            self.working_copy.push.join()
        if step in AGENTS and self.working_copy is not None:
            with self.working_copy.checkpointer.periodically(self.fence, every=self.checkpoint_seconds):
                return run(ctx)
        result = run(ctx)
        if (
            not self.stays
            and self.working_copy is not None
            and isinstance(result, BuildResult)
            and result.build_success
        ):
            # A workspace that stays does this while it has nothing to do. The result outlives an interrupt of it.
            self.result = result
            self.working_copy.cache.save(self.fence)
        return result

    def finish(self, result: StepResult) -> StepEnd:
        """Saves and reports a step that was done. Raises what `ended` takes."""
        self.result = result
        settled = self.store.request.step in _LAST
        if self.working_copy is not None:
            if not self.stays:
                self.working_copy.push.join(PUSH_SECONDS)
                self.working_copy.push.cancel()
            self.working_copy.checkpointer.write(self.fence, settled=settled)
        self._record(result)
        if not self._is_current():
            raise StepStopped(StopReason.INTERRUPT)
        self.log("step done", result=json.loads(result.to_json()))
        return self._reported(self.reporter.success(result), settled=settled)

    def _is_current(self) -> bool:
        """Whether no newer command was accepted; a workspace that does not stay gives its claim back with the answer."""
        if self.stays:
            return self.store.hold()
        try:
            return self.store.release() is not Release.INTERRUPTED
        except (ClientError, BotoCoreError) as error:
            # No reason to fail a step that is done: the next one waits a few seconds.
            self.log("the claim could not be released, it ends by itself", level="warning", error=str(error))
            return True

    def _reported(self, reported: bool, *, settled: bool) -> StepEnd:
        # A report that did not get through is made up for by `task_stopped`, which finds the step in the session.
        if not reported:
            return StepEnd(EXIT_UNREPORTED)
        return StepEnd(EXIT_DONE, stays=self.stays, settled=settled)

    def _stopped(self, reason: StopReason) -> StepEnd:
        self._cancel_push()
        # A step that was done when the interrupt came still leaves its result.
        if self.result is not None and reason is StopReason.INTERRUPT:
            with contextlib.suppress(ClientError, BotoCoreError):
                self._record(self.result)
        return self.interruption.stopped(reason)

    def _failed(self, error: Exception) -> StepEnd:
        self._cancel_push()
        try:
            self.interruption.checkpoint(self.fence)
            if isinstance(error, StepFailed) or not self.stays:
                if not self._is_current():
                    return self.interruption.stopped(StopReason.INTERRUPT)
                return self._reported(report_failure(error, self.reporter, self.log), settled=False)
        except Fenced:
            return self.interruption.stopped(self.stop.reason or StopReason.CLAIM_LOST)
        except (ClientError, BotoCoreError) as unreachable:
            return self._unreachable(unreachable)
        # A bug's workspace is not trusted with the next step: a fresh one restores the checkpoint.
        self.interruption.leave()
        return StepEnd(EXIT_DONE if report_failure(error, self.reporter, self.log) else EXIT_UNREPORTED)

    def _cancel_push(self) -> None:
        if self.working_copy is not None and not self.stays:
            self.working_copy.push.cancel()

    def _record(self, result: StepResult) -> None:
        self.store.record(_RECORDED[self.store.request.step], for_record(result))


def report_failure(error: Exception, reporter: Reporter, log: Callable[..., None]) -> bool:
    """Reports what ended a step; whether the report got through."""
    if isinstance(error, StepFailed):
        log("step failed", level="error", code=error.error.code.value, error=error.error.message)
        return reporter.failure(SfnError.STEP_FAILED, error.error)
    log("unexpected error", level="error", error=repr(error), traceback=traceback.format_exc())
    # What the workspace raises on purpose says itself what it is.
    said = str(error) if isinstance(error, WorkspaceError) else f"{type(error).__name__}: {error}"
    info = ErrorInfo.of(ErrorCode.INTERNAL, said)
    return reporter.failure(SfnError.STEP_FAILED, info)
