"""Saves the work of a step that was stopped from outside. The step's children are dead when this begins.

The response to an interrupted command names its WIP commit. The commit is made and checkpointed here, and pushed in
the gap before the next step. After SIGTERM the workspace only checkpoints: the run goes on in a new workspace, with the
edits still uncommitted.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.sfn_errors import SfnError
from sitewright.contracts.steps import Interruption, StepName
from workspace.claim.fence import ClaimFence
from workspace.claim.session import SessionStore
from workspace.errors import Fenced, StepFailed, StepStopped, StopReason, WorkspaceError
from workspace.lifecycle.step_end import EXIT_CLAIM_LOST, EXIT_DONE, EXIT_UNREPORTED, Follows, StepEnd
from workspace.lifecycle.step_report import Reporter, saved_for_record
from workspace.repository import changed_paths
from workspace.repository.background_push import BackgroundPush
from workspace.repository.checkpoints.checkpoint import Checkpointer
from workspace.repository.commit_messages import wip_message
from workspace.step_context import StepContext
from workspace.steps import build_step
from workspace.steps.signing import try_to_sign
from workspace.system.children import ProcessChildren
from workspace.system.stop import Stop

INTERRUPTED_SUBJECT = "WIP: Interrupted by new message"

PUSH_SECONDS = 15.0
"""How long a workspace waits for a push under way after SIGTERM. A later push of the session sends the commit too."""


@dataclass(frozen=True)
class InterruptionHandler:
    """Ends a stopped step. Without a working copy (`ctx` is None) there is nothing to save."""

    store: SessionStore
    fence: ClaimFence
    reporter: Reporter
    stop: Stop
    log: Callable[..., None] = field(repr=False)
    ctx: StepContext | None = None
    checkpointer: Checkpointer | None = None
    base: str | None = None
    """The commit of HEAD when the step began."""
    push: BackgroundPush | None = None
    """Pushes between two steps. A push under way must not outlive the claim."""

    def stopped(self, reason: StopReason) -> StepEnd:
        """Saves the step's work as far as the reason allows, and reports the step."""
        self.log("step stopped", level="warning", reason=reason.value)
        try:
            if reason is StopReason.INTERRUPT or (reason is not StopReason.CLAIM_LOST and self._superseded()):
                return self._interrupted()
            if reason is not StopReason.CLAIM_LOST:
                return self._terminated(reason)
        except (Fenced, StepStopped) as error:
            self.log("the claim was lost while saving", level="error", error=str(error))
        except (ClientError, BotoCoreError) as error:
            # The claim cannot be checked without the table. `task_stopped` reports the step, and a new workspace
            # repeats it.
            self.log("the session cannot be reached, nothing was saved", level="error", error=str(error))
            return StepEnd(EXIT_UNREPORTED)
        return StepEnd(EXIT_CLAIM_LOST)

    def superseded(self) -> None:
        """Saves the work of a command that a newer command interrupted between two steps. Raises Fenced."""
        self.log("superseded between two steps", level="warning")
        self._record_saved(publish=False)

    def leave(self) -> None:
        """Releases the claim. Reports an offer in the mailbox as stopped, so that a new workspace does the step."""
        if self.push is not None:
            self.push.cancel()
        try:
            offer = self.store.abandon()
        except (ClientError, BotoCoreError) as error:
            self.log("the claim could not be released, it ends by itself", level="warning", error=str(error))
            return
        if offer is not None:
            info = ErrorInfo.of(ErrorCode.WORKSPACE_CRASHED, "The workspace ended before it took the step.")
            replace(self.reporter, token=offer.task_token).failure(SfnError.STOPPED, info)

    def checkpoint(self, fence: ClaimFence) -> None:
        """Tries to write a checkpoint, and logs an error. Raises Fenced."""
        if self.checkpointer is None:
            return
        try:
            self.checkpointer.write(fence)
        except Fenced:
            raise
        except (WorkspaceError, ClientError, BotoCoreError, OSError) as error:
            self.log("checkpoint failed", level="error", error=str(error))

    def _superseded(self) -> bool:
        # Intake raises the generation before it stops the run. So the token is often gone before the refresher sees
        # the interrupt.
        return self.fence.after_stop().verify().generation > self.store.request.generation

    def _interrupted(self) -> StepEnd:
        self._record_saved(publish=self._step is StepName.BUILD)
        info = ErrorInfo.of(ErrorCode.INTERRUPTED, "A newer command of the session was accepted.")
        reported = self.reporter.failure(SfnError.INTERRUPTED, info)
        return StepEnd(EXIT_DONE if reported else EXIT_UNREPORTED, Follows.NEWER_COMMAND, settled=True)

    def _record_saved(self, *, publish: bool) -> None:
        interruption = Interruption(step=self._step)
        try:
            if self.ctx is not None:
                interruption = self._save_interrupted(self.ctx, publish=publish)
        except (Fenced, StepStopped):
            raise
        except Exception as error:
            # A failed save must block neither the older command's response nor the newer command.
            self.log("saving failed", level="error", error=repr(error), traceback=traceback.format_exc())
            self.checkpoint(self.fence.after_stop())
        self._record(interruption)
        if self.push is not None and interruption.pushing and interruption.commit is not None:
            done = interruption.model_copy(update={"pushing": False})
            self.push.start(
                interruption.commit,
                self.fence,
                lambda pushed: self._record(done.model_copy(update={"pushed": pushed})),
            )

    def _save_interrupted(self, ctx: StepContext, *, publish: bool) -> Interruption:
        fence = self.fence.after_stop()
        fence.verify()
        if self.push is not None:
            self.push.settle()
        ctx = replace(
            ctx,
            fence=fence,
            children=ProcessChildren(self.stop.only(StopReason.CLAIM_LOST), self.log, guest=ctx.settings.guest),
        )
        request, checkout = ctx.request, ctx.checkout
        if self.base is not None:
            # A repository that the agent initialized anew is not the session's history and must not be pushed.
            checkout.must_have(self.base)
        commit = checkout.commit_all(wip_message(INTERRUPTED_SUBJECT, request.session_id, request.command_id))
        head = try_to_sign(ctx) or commit or checkout.head()
        # The checkpoint comes first, because the rest takes longer. After it even a SIGKILL loses nothing.
        self.checkpoint(fence)
        published = self._publish(ctx) if publish else 0
        pushed = checkout.tracking() == head
        files: set[str] = set()
        for known in (ctx.command.agent, ctx.command.repair):
            files |= set(known.files_changed if known else [])
        files |= set(changed_paths.own(checkout.git, self.base, head) if self.base else [])
        return Interruption(
            step=self._step,
            commit=head,
            pushed=pushed,
            pushing=not pushed,
            files_changed=sorted(files),
            published=published,
        )

    def _publish(self, ctx: StepContext) -> int:
        try:
            return build_step.publish_partial(ctx)
        except (Fenced, StepStopped):
            raise
        except Exception as error:
            self.log("the partial publish failed", level="warning", error=str(error))
            return 0

    def _terminated(self, reason: StopReason) -> StepEnd:
        self.checkpoint(self.fence.after_stop())
        if reason is not StopReason.TERMINATED:
            # If the state timed out, its run goes on to the step `salvage` in this workspace.
            return StepEnd(EXIT_DONE, Follows.STEP)
        info = ErrorInfo.of(ErrorCode.WORKSPACE_CRASHED, "The workspace was asked to stop (SIGTERM); work is saved.")
        reported = self.reporter.failure(SfnError.STOPPED, info)
        self.leave()
        return StepEnd(EXIT_DONE if reported else EXIT_UNREPORTED)

    def _record(self, interruption: Interruption) -> None:
        try:
            self.store.record_interruption(saved_for_record(interruption))
        except (ClientError, BotoCoreError, StepFailed) as error:
            self.log("the interruption could not be recorded", level="error", error=str(error))

    @property
    def _step(self) -> StepName:
        return self.store.request.step
