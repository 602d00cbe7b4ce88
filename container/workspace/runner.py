"""One step from claim to report.

The order at the end is the point: checkpoint, record, give the claim back, report. The claim goes back in one write
that fails if a newer command was accepted, so an interrupt is served here or finds a free claim and a checkpoint; and
the state machine's next step, which starts with the report, finds the claim free.
"""

import contextlib
import importlib
import json
import shutil
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import ErrorCode, ErrorInfo, SfnError
from contracts.names import branch_name
from contracts.records import SessionRecord
from contracts.steps import Interruption, StepName, StepRequest
from workspace.aws import Clients
from workspace.checkpoint import PERIOD_SECONDS, Checkpointer
from workspace.children import ProcessChildren
from workspace.context import StepContext
from workspace.environment import git_environment
from workspace.errors import Fenced, StepFailed, StepStopped, StopReason, WorkspaceBusy
from workspace.fence import ClaimFence
from workspace.git import Checkout
from workspace.githost import read_token
from workspace.logs import Log
from workspace.pulse import HEARTBEAT_SECONDS, Heartbeat, Pulse
from workspace.report import Reporter, StepResult, for_record
from workspace.restore import BackgroundPush, Restorer, wip_message
from workspace.save import EXIT_CLAIM_LOST, EXIT_DONE, EXIT_UNREPORTED, INTERRUPTED_SUBJECT, PUSH_SECONDS, Saver
from workspace.session import Release, SessionStore
from workspace.settings import Settings
from workspace.stop import Stop
from workspace.transport import Transport

BUSY_SECONDS = 120.0
"""How long a live claim of another workspace is waited for: an interrupt's saving takes a third of that."""

CLAIM_POLL_SECONDS = 0.25

_RECORDED = {
    StepName.AGENT: "agent",
    StepName.BUILD: "build",
    StepName.PUSH: "push",
    StepName.SALVAGE: "push",
}


@dataclass(frozen=True)
class Timing:
    """Intervals in seconds, which tests shorten."""

    busy: float = BUSY_SECONDS
    heartbeat: float = HEARTBEAT_SECONDS
    checkpoint: float = PERIOD_SECONDS


@dataclass(frozen=True)
class Runner:
    """Does one step."""

    settings: Settings
    request: StepRequest
    clients: Clients
    log: Log
    stop: Stop
    workspace_id: str
    timing: Timing = field(default_factory=Timing)

    def run(self) -> int:
        """Does the step and returns the exit code: 0 reported, 1 not reported, 3 claim lost."""
        store = SessionStore(
            self.clients, self.settings.sessions_table, self.settings.commands_table, self.request, self.workspace_id
        )
        reporter = Reporter(self.clients, self.request.task_token, self.log)
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
                return self._internal(error, reporter)
            with Pulse(store, self.stop, self.log):
                return _Claimed(self, store, reporter, session).run()

    def _claim(self, store: SessionStore) -> SessionRecord:
        """Takes the session's claim. Raises WorkspaceBusy, StepStopped (INTERRUPT: a newer command is there)."""
        deadline = time.monotonic() + self.timing.busy
        waiting = False
        while True:
            self.stop.check()
            ours, session = store.claim()
            if session.generation > self.request.generation:
                if ours:
                    store.release(any_generation=True)
                raise StepStopped(StopReason.INTERRUPT)
            if ours:
                return session
            if time.monotonic() > deadline:
                raise WorkspaceBusy(f"{session.workspace_id} kept the session's claim for {self.timing.busy:.0f} s")
            if not waiting:
                waiting = True
                self.log("waiting for another workspace of the session", holder=session.workspace_id)
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

    def _internal(self, error: Exception, reporter: Reporter) -> int:
        if isinstance(error, StepFailed):
            self.log("step failed", level="error", code=error.error.code.value, error=error.error.message)
            return _exit(reporter.failure(SfnError.STEP_FAILED, error.error))
        self.log("unexpected error", level="error", error=repr(error), traceback=traceback.format_exc())
        info = ErrorInfo.of(ErrorCode.INTERNAL, f"{type(error).__name__}: {error}")
        return _exit(reporter.failure(SfnError.STEP_FAILED, info))


@dataclass
class _Claimed:
    """The part of a step that is done while holding the claim."""

    runner: Runner
    store: SessionStore
    reporter: Reporter
    session: SessionRecord
    pushing: BackgroundPush | None = None
    result: StepResult | None = None

    def __post_init__(self) -> None:
        stop, log = self.runner.stop, self.runner.log
        self.fence = ClaimFence(self.store, stop)
        self.saver = Saver(self.store, self.fence, self.reporter, stop, log)

    def run(self) -> int:
        log = self.runner.log
        try:
            ctx = self._prepare()
            self.result = self._do(ctx)
            return self._finish(self.result)
        except StepStopped as stopped:
            return self._stopped(stopped.reason)
        except Fenced as fenced:
            log("fenced off", level="warning", error=str(fenced))
            return self._stopped(self.runner.stop.reason or StopReason.CLAIM_LOST)
        except Exception as error:
            return self._failed(error)

    def _prepare(self) -> StepContext:
        runner, settings, stop, log = self.runner, self.runner.settings, self.runner.stop, self.runner.log
        began = time.monotonic()
        paths = settings.paths
        # A root that outlives a container (the local stack's) must not bring in another session's scratch.
        shutil.rmtree(paths.tmp, ignore_errors=True)
        for folder in (paths.root, paths.home, paths.tmp):
            folder.mkdir(parents=True, exist_ok=True)
        private_home = paths.tmp / "git-home"
        private_home.mkdir(exist_ok=True)
        env = git_environment(private_home, inherited=settings.inherited)
        transport = Transport(
            url=settings.repository,
            token=lambda: read_token(runner.clients, settings.git_token_secret, log.hide),
            site=paths.site,
            git_dir=paths.tmp / "transport.git",
            env=env,
        )
        checkout = Checkout(paths.site, paths.tmp, branch_name(self.session.chat_thread_id), env, transport)
        checkpointer = Checkpointer(
            client_id=settings.client_id,
            bucket=settings.artifacts_bucket,
            request=runner.request,
            paths=paths,
            checkout=checkout,
            store=self.store,
            clients=runner.clients,
            log=log,
            current=None,
        )
        ctx = StepContext(
            settings=settings,
            request=runner.request,
            command=self.store.read_command(),
            session=self.session,
            paths=paths,
            checkout=checkout,
            children=ProcessChildren(stop, log),
            fence=self.fence,
            aws=runner.clients,
            log=log,
            progress=log.progress,
        )
        self._restore(Restorer(runner.clients, settings.artifacts_bucket, paths, checkout, stop, log), checkpointer)
        self.saver = replace(self.saver, ctx=ctx, checkpointer=checkpointer, base=checkout.head())
        stop.check()
        log("workspace ready", seconds=round(time.monotonic() - began, 3), head=self.saver.base, branch=checkout.branch)
        return ctx

    def _restore(self, restorer: Restorer, checkpointer: Checkpointer) -> None:
        key, request = self.session.checkpoint, self.runner.request
        meta = restorer.restore(key) if key is not None else None
        if meta is None:
            restorer.clone()
            return
        checkpointer.current = key
        checkpointer.is_at(meta)
        if meta.dirty and not meta.settled and meta.command_id != request.command_id:
            commit = restorer.checkout.commit_all(wip_message(INTERRUPTED_SUBJECT, request.session_id, meta.command_id))
            if commit is not None:
                self.runner.log("edits of the older command committed", commit=commit, olderCommandId=meta.command_id)
                # Before the push: a repetition of this step must find the same commit, not make another.
                checkpointer.write(self.fence)
                self.pushing = BackgroundPush(restorer.checkout, self.fence, self.runner.stop, self.runner.log)
                self.pushing.start(commit)

    def _do(self, ctx: StepContext) -> StepResult:
        step = self.runner.request.step
        run = cast("Callable[[StepContext], StepResult]", _step_module(step).run)
        if step in {StepName.PUSH, StepName.SALVAGE} and self.pushing is not None:
            self.pushing.join()
        if step is StepName.AGENT and self.saver.checkpointer is not None:
            with self.saver.checkpointer.periodically(self.fence, every=self.runner.timing.checkpoint):
                return run(ctx)
        return run(ctx)

    def _finish(self, result: StepResult) -> int:
        checkpointer = self.saver.checkpointer
        if self.pushing is not None:
            self.pushing.join(PUSH_SECONDS)
            self.pushing.cancel()
        if checkpointer is not None:
            checkpointer.write(self.fence, settled=self.runner.request.step in {StepName.PUSH, StepName.SALVAGE})
        self._record(result)
        if self._release() is Release.INTERRUPTED:
            raise StepStopped(StopReason.INTERRUPT)
        self.runner.log("step done", result=json.loads(result.to_json()))
        return _exit(self.reporter.success(result))

    def _stopped(self, reason: StopReason) -> int:
        self._cancel_push()
        # A step that was done when the interrupt came still leaves its result.
        if self.result is not None and reason is StopReason.INTERRUPT:
            with contextlib.suppress(ClientError, BotoCoreError):
                self._record(self.result)
        return self.saver.stopped(reason)

    def _failed(self, error: Exception) -> int:
        self._cancel_push()
        try:
            self.saver.checkpoint(self.fence)
        except Fenced:
            return self.saver.stopped(self.runner.stop.reason or StopReason.CLAIM_LOST)
        if self._release() is Release.INTERRUPTED:
            return self.saver.stopped(StopReason.INTERRUPT)
        return self.runner._internal(error, self.reporter)

    def _release(self) -> Release:
        try:
            return self.store.release()
        except (ClientError, BotoCoreError) as error:
            # No reason to fail a step that is done: the next one waits a few seconds.
            self.runner.log("the claim could not be released, it ends by itself", level="warning", error=str(error))
            return Release.RELEASED

    def _cancel_push(self) -> None:
        if self.pushing is not None:
            self.pushing.cancel()

    def _record(self, result: StepResult) -> None:
        self.store.record(_RECORDED[self.runner.request.step], for_record(result))


def _step_module(step: StepName) -> Any:
    # Imported when needed: the steps' own imports cost each cold process time.
    return importlib.import_module(f"workspace.steps.{step.value}")


def _exit(reported: bool) -> int:
    return EXIT_DONE if reported else EXIT_UNREPORTED


__all__ = ["EXIT_CLAIM_LOST", "EXIT_DONE", "EXIT_UNREPORTED", "Runner", "Timing"]
