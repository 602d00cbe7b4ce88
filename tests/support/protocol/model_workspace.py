"""A workspace of the simulated world, moved step by step.

It has the runner's own parts. The simulation does the work of a step and of the threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import EndpointConnectionError
from workspace.claim.claim_refresher import ClaimRefresher
from workspace.claim.claiming import Attempt, Claiming
from workspace.claim.session import SessionStore
from workspace.errors import Fenced, StepFailed, StepStopped, WorkspaceBusy
from workspace.lifecycle.idle_wait import AcceptedOffer, IdleEnd, IdleWait
from workspace.lifecycle.mailbox import Mailbox
from workspace.lifecycle.runner import BUSY_SECONDS, Runner
from workspace.lifecycle.step_end import EXIT_CLAIM_LOST, EXIT_DONE, EXIT_UNREPORTED, StepEnd
from workspace.lifecycle.step_report import Reporter
from workspace.lifecycle.step_run import StepRun
from workspace.step_context import StepContext
from workspace.system.stop import Signals, Stop

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.records import SessionRecord
from sitewright.contracts.sfn_errors import SfnError
from sitewright.contracts.steps import AgentResult, BuildResult, PushResult, StepName, step_request_from_env
from tests.support.protocol.workspace_doubles import BeatByHand, Checkout, Checkpointer, Log, Push, WorkingCopy, quiet

if TYPE_CHECKING:
    from tests.support.protocol.session_world import World


@dataclass
class Workspace:
    """A container. `phase`: starting, claiming, preparing, working, idle, gone."""

    world: World
    id: str
    environment: dict[str, str]
    phase: str = "starting"
    frozen: bool = False
    beats: list[BeatByHand] = field(default_factory=list)
    saving: bool = False

    def __post_init__(self) -> None:
        world = self.world
        self.request = step_request_from_env(self.environment)
        self.clients: Any = SimpleNamespace(dynamodb=world.client, stepfunctions=world.sfn)
        self.signals, self.log = Signals(), Log()
        stop = self.signals.follow(Stop())
        self.runner = Runner(
            SimpleNamespace(idle_seconds=world.idle_seconds),  # type: ignore[arg-type]
            self.request,
            self.clients,
            self.log,  # type: ignore[arg-type]
            stop,
            self.id,
            signals=self.signals,
        )
        self.store = SessionStore(
            self.clients, "sessions", "commands", self.request, self.id, now=lambda: world.now, sleep=quiet
        )
        self.reporter = Reporter(self.clients, self.request.task_token, quiet, sleep=quiet)
        self.seen: SessionRecord | None = None
        self.beat = self._heartbeat(self.clients, self.request.task_token, stop, quiet)
        self.mailbox = Mailbox(self.clients, quiet, heartbeat=self._heartbeat)

    def _heartbeat(self, *args: Any, **_: Any) -> BeatByHand:
        made = BeatByHand(*args)
        made.owner = self
        return made

    # The workspace's actions, one decision each

    def go(self) -> None:
        """Does the workspace's next action."""
        {"starting": self.start, "claiming": self.claim, "preparing": self.prepare, "working": self.work}.get(
            self.phase, self.look
        )()

    def tick(self) -> None:
        """Does the threads' work: refreshes the claim and sends heartbeats."""
        if self.phase in {"preparing", "working", "idle"} and not self.refresher_ended:
            self.refresher_ended = not self.refresher.beat()
        for beat in list(self.beats):
            if beat._ended.is_set() or not beat.beat():
                self.beats.remove(beat)

    def start(self) -> None:
        self.beat.beat()
        self.beat.start()
        self.claiming = Claiming(self.store, is_awaited=self.beat.beat)
        self.busy_until = self.world.now + BUSY_SECONDS
        self.phase = "claiming"

    def claim(self) -> None:
        """Like Runner.run and Runner._claim."""
        try:
            self.runner.stop.check()
            attempt, session = self.claiming.attempt()
            if attempt is Attempt.BUSY and self.world.now > self.busy_until:
                raise WorkspaceBusy("busy")
        except StepStopped as stopped:
            self.exit(self.runner._stopped_unclaimed(stopped.reason, self.store, self.reporter))
        except WorkspaceBusy as error:
            self.runner._unclaim(self.store, self.reporter)
            info = ErrorInfo.of(ErrorCode.WORKSPACE_BUSY, str(error))
            self.exit(EXIT_DONE if self.reporter.failure(SfnError.BUSY, info) else EXIT_UNREPORTED)
        else:
            if attempt is Attempt.HANDED_OVER:
                self.exit(EXIT_DONE)
            elif attempt is Attempt.CLAIMED:
                self.refresher = ClaimRefresher(
                    self.store, self.runner.stop, quiet, clock=lambda: self.world.now, seen=self._see
                )
                self.refresher_ended = False
                push = Push(self)
                self.working_copy = WorkingCopy(push, Checkpointer(self, self.store))
                self._next_step_run(self.store, self.reporter, session, self.runner.stop, None)

    def _see(self, session: SessionRecord) -> None:
        self.mailbox.update(session)
        self.seen = session

    def _next_step_run(
        self,
        store: SessionStore,
        reporter: Reporter,
        session: SessionRecord,
        stop: Stop,
        working_copy: WorkingCopy | None,
    ) -> None:
        settings: Any = self.runner.settings
        self.step_run = StepRun(settings, self.clients, store, reporter, session, stop, self.log, 30.0, working_copy)  # type: ignore[arg-type]
        self.phase = "preparing"

    def prepare(self) -> None:
        """Like StepRun._prepare, without the restore."""
        step_run = self.step_run
        step_run.working_copy = self.working_copy  # type: ignore[assignment]
        self.working_copy.checkpointer.store = step_run.store
        step_run.interruption = replace(step_run.interruption, push=self.working_copy.push)  # type: ignore[arg-type]
        try:
            step_run.stop.check()
        except StepStopped as stopped:
            self._ended(step_run.ended(stopped))
            return
        nothing: Any = None
        ctx = StepContext(
            settings=nothing,
            request=step_run.store.request,
            command=SimpleNamespace(agent=None),  # type: ignore[arg-type]
            session=step_run.session,
            paths=nothing,
            checkout=Checkout(self),  # type: ignore[arg-type]
            children=nothing,
            fence=step_run.fence,
            aws=nothing,
            log=quiet,
            progress=quiet,
        )
        step_run.interruption = replace(
            step_run.interruption,
            ctx=ctx,
            checkpointer=self.working_copy.checkpointer,
            base="base",
        )  # type: ignore[arg-type]
        self.phase = "working"

    def work(self) -> None:
        """Ends the step, with its result or by the reason that stopped it."""
        step_run = self.step_run
        try:
            step_run.stop.check()
            step_run.fence.verify()
            step = step_run.store.request.step
            result: Any = AgentResult(files_changed_count=1, files_changed=["index.html"], cost_usd=0.25)
            if step is StepName.BUILD:
                self.wrote("publish")
                result = BuildResult(commit="c", build_success=True, deploy_success=True)
            elif step is not StepName.AGENT:
                self.working_copy.push.join()
                step_run.fence.verify()
                self.wrote("push")
                result = PushResult(commit="c", pushed=True)
            end = step_run.finish(result)
        except Exception as error:
            end = step_run.ended(error)
        self._ended(end)

    def fail(self, *, bug: bool) -> None:
        if self.phase == "working":
            error = ZeroDivisionError() if bug else StepFailed(ErrorCode.AGENT_FAILED, "no")
            self._ended(self.step_run.ended(error))

    def checkpoint(self) -> None:
        if self.phase == "working":
            with contextlib.suppress(Fenced, EndpointConnectionError):
                self.working_copy.checkpointer.write(self.step_run.fence)

    def pushes(self) -> None:
        if self.phase in {"preparing", "working", "idle"} and self.working_copy.push.busy:
            self.working_copy.push.finish()

    def _ended(self, end: StepEnd) -> None:
        """Like Runner._live."""
        self.beat.stop(wait=False)
        if end.follows is None:
            self.exit(end.code)
            return
        stop = self.signals.follow(Stop())
        self.refresher.follow(self.step_run.store, stop, quiet, idle=True)
        self.waiting = IdleWait(
            self.step_run, end, self.mailbox, stop, self.world.idle_seconds, clock=lambda: self.world.now
        )
        self.phase = "idle"
        self._wait(self.waiting.begin)

    def look(self) -> None:
        if self.phase == "idle":
            session, self.seen = self.seen, None
            self._wait(lambda: self.waiting.decide(session, self.mailbox._offer))

    def _wait(self, what: Callable[[], Any]) -> None:
        try:
            found = what()
        except (Fenced, StepStopped):
            self.exit(EXIT_CLAIM_LOST)
        except EndpointConnectionError:
            self.exit(EXIT_UNREPORTED)
        else:
            if found is IdleEnd.CLAIM_RELEASED:
                self.exit(EXIT_DONE)
            elif isinstance(found, AcceptedOffer):
                offer = found.offer
                self.beat = offer.heartbeat  # type: ignore[assignment]
                store = replace(self.step_run.store, request=offer.request)
                reporter = replace(self.reporter, token=offer.request.task_token)
                self._next_step_run(store, reporter, found.session, self.signals.follow(offer.stop), self.working_copy)
                self.refresher.follow(store, offer.stop, quiet)

    def terminate(self) -> None:
        self.signals._note(15, None)

    def exit(self, code: int) -> None:
        if hasattr(self, "working_copy") and code != 137:
            self.working_copy.push.cancel()
        self.phase, self.beats = "gone", []
        self.world.stopped(self, code)

    def wrote(self, kind: str, *, saving: bool = False) -> None:
        self.world.wrote(self, kind, self.step_run.store.request.generation, saving=saving)
