"""The step `build`: commit, install, build, publish. A failed build or publish is a result, not a failed step."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import BuildResult
from sitewright.publishing.dist_files import scan
from sitewright.publishing.errors import DistRefused, LiveMoved
from sitewright.publishing.judgement.findings import PublishRefused
from workspace.build import dist_state
from workspace.build.failure_cause import caused_by_edit
from workspace.build.publish_outcome import outcome
from workspace.build.running.build_failed import BuildFailed
from workspace.build.running.site_build import SiteBuild
from workspace.build.site_publish import output_path, publish_build, publish_interrupted
from workspace.errors import GitError, StepStopped
from workspace.repository.host_rules import unsent_commits
from workspace.step_context import StepContext
from workspace.steps.earlier_commands import earlier_command
from workspace.steps.sendable import WouldBeRefused, make_sendable
from workspace.steps.up_to_date import ROUNDS, NotUpToDate, skipped, take_in_live

FALLBACK_SUBJECT = "Update the website"


def run(ctx: StepContext) -> BuildResult:
    """Commits the uncommitted edits, builds, and publishes the result to the site bucket.

    Raises StepStopped, Fenced, GitError (git refuses the commit).
    """
    return _Build(ctx).run()


def try_build(ctx: StepContext) -> tuple[ErrorInfo | None, dict[str, float]]:
    """Installs and builds the checkout as it is. Returns why that failed, and the seconds of each part.

    Raises StepStopped.
    """
    build = _Build(ctx)
    return build.try_build(), build.seconds


def publish_partial(ctx: StepContext) -> int:
    """Publishes the whole files of an interrupted build. Returns how many were sent.

    Raises StepStopped, Fenced, PublishError, OSError.
    """
    return publish_interrupted(ctx)


@contextmanager
def left_as_committed(ctx: StepContext) -> Iterator[None]:
    """Puts the checkout back to HEAD after the block. What a build writes into the sources is no edit.

    After a stop the output stays: its whole files may still go live.
    """
    try:
        yield
    except StepStopped:
        state = dist_state.read(ctx.paths.scratch)
        _drop_changes(ctx, but=state.output if state else None)
        raise
    except BaseException:
        _drop_changes(ctx)
        raise
    _drop_changes(ctx)


def _drop_changes(ctx: StepContext, but: str | None = None) -> None:
    try:
        ctx.checkout.drop_changes(but=but)
    except (GitError, TimeoutError, OSError) as error:
        ctx.log("what the build changed stays in the checkout", level="warning", error=str(error))


@dataclass
class _Build:
    ctx: StepContext
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    site: SiteBuild = field(init=False)

    def __post_init__(self) -> None:
        self.site = SiteBuild(self.ctx, self.notes.append, self.seconds)

    def run(self) -> BuildResult:
        ctx = self.ctx
        dist_state.forget(ctx.paths.scratch)
        ctx.fence.verify()
        with self.site.timed("commit"):
            made = ctx.checkout.commit_all(ctx.command.commit_message or FALLBACK_SUBJECT)
            commit = made or ctx.checkout.head()
        if made is not None:
            # npm takes seconds. Without this the commit's upload would begin only after it.
            ctx.checkpoint_in_background()
        result = BuildResult(commit=commit, committed=made is not None)
        if made is None and (spared := skipped(ctx, commit, self._command)) is not None:
            return result.model_copy(update={**spared, "skipped": True, "seconds": self.seconds})
        with left_as_committed(ctx):
            return self._ended(result)

    def _ended(self, result: BuildResult) -> BuildResult:
        """Builds and publishes. Returns the result of a failure too."""
        ctx = self.ctx
        failed: dict[str, Any]
        try:
            return self._live(result)
        except (BuildFailed, DistRefused, OSError) as error:
            info = self._info(error)
            failed = {"error": info, "broken_by_edit": self._is_edits(error, info.message)}
        except PublishRefused as error:
            ctx.log("publish refused", level="error", code=error.code.value, error=error.message)
            info = ErrorInfo.of(error.code, self.site.variables.clean(error.message))
            may_repair = error.repairable and self._is_edits(error, info.message)
            failed = {
                "error": info,
                "broken_by_edit": may_repair,
                "build_success": not isinstance(error, WouldBeRefused),
            }
        except NotUpToDate as error:
            ctx.log("not published", level="error", error=str(error))
            may_repair = error.agent_may_resolve and not self._tried
            failed = {"error": error.info, "broken_by_edit": may_repair, "build_success": error.built}
        done = {**failed, "commit": ctx.checkout.head(), "notes": self.notes, "seconds": self.seconds}
        return result.model_copy(update=done)

    def _live(self, result: BuildResult) -> BuildResult:
        """Builds and publishes, on top of what is live. Raises BuildFailed, DistRefused, OSError, NotUpToDate, PublishRefused."""
        ctx = self.ctx
        for number in range(ROUNDS):
            if number:
                # All edits are committed: what differs now is what the build wrote, and it may be in the way.
                ctx.checkout.drop_changes()
            if ctx.newer is not None:
                with self.site.timed("takeIn"):
                    take_in_live(ctx, ctx.newer, self.notes.append)
            make_sendable(ctx)
            commit = ctx.checkout.head()
            output = self._build(commit)
            try:
                done = self._publish(output, commit)
            except LiveMoved as moved:
                ctx.log("another session published first, the build begins again", live=moved.commit)
                continue
            if ctx.newer is not None:
                ctx.newer.built(commit)
            return result.model_copy(update={**done, "commit": commit, "seconds": self.seconds})
        raise NotUpToDate.moved()

    def _build(self, commit: str) -> str:
        """Builds a commit and returns the output folder. Raises BuildFailed, OSError."""
        return self.site.build(commit)

    def _publish(self, output: str, commit: str) -> dict[str, Any]:
        """Publishes the output of a finished build. Returns fields of the result. Raises LiveMoved, PublishRefused."""
        ctx = self.ctx
        with output_path(ctx, output) as folder:
            files = scan(folder, ctx.fence.check_stop)
            if not files:
                raise BuildFailed(f"`npm run build` left {output}/ empty.")
            dist_state.mark_complete(ctx.paths.scratch, commit, output)
            ctx.save_commit(commit)
            ctx.progress(f"Publishing {len(files)} files")
            with self.site.timed("publish"):
                published, not_invalidated = publish_build(ctx, files, commit)
        if published.error is None:
            unsent_commits.forget(ctx.checkout, unsent_commits.REPLACED_REF)
        return {**outcome(published, not_invalidated), "notes": [*self.notes, *published.notes]}

    def try_build(self) -> ErrorInfo | None:
        """Installs and builds. Returns why that failed."""
        ctx = self.ctx
        dist_state.forget(ctx.paths.scratch)
        self.site.edits_committed = not ctx.checkout.is_dirty()
        try:
            with left_as_committed(ctx) if self.site.edits_committed else contextlib.nullcontext():
                self._build(ctx.checkout.head())
        except (BuildFailed, OSError) as error:
            return self._info(error)
        return None

    def _info(self, error: BuildFailed | DistRefused | OSError) -> ErrorInfo:
        self.ctx.log("build failed", level="error", error=str(error))
        code = ErrorCode.BUILD_FAILED if isinstance(error, OSError) else error.code
        return ErrorInfo.of(code, self.site.variables.clean(str(error)))

    @property
    def _tried(self) -> bool:
        """Whether the agent has tried to resolve the conflict, at the command's beginning."""
        return bool(self.ctx.command.agent and self.ctx.command.agent.unresolved)

    def _is_edits(self, error: Exception, message: str) -> bool:
        if isinstance(error, DistRefused | PublishRefused):
            error = BuildFailed(message)
        if not isinstance(error, BuildFailed):
            return False
        command = self.ctx.command
        edited = {path for part in (command.agent, command.repair) if part for path in part.files_changed}
        return caused_by_edit(
            error.part,
            returncode=error.returncode,
            log=error.log,
            edited=edited,
            message=message,
            before=self._failed_before(),
        )

    def _command(self, command_id: str) -> CommandRecord | None:
        return earlier_command(self.ctx, command_id)

    def _failed_before(self) -> str | None:
        older = self.ctx.command.supersedes
        command = self._command(older) if older is not None else None
        build = command.build if command else None
        if build is None or build.error is None or (build.build_success and not build.is_refused):
            return None
        return build.error.message
