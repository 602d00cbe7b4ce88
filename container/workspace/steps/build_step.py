"""The step `build`: commit, install, build, publish. A failed build or publish is a result, not a failed step."""

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.limits import PACKAGE_FILE_BYTES
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import BuildResult
from sitewright.publishing.dist_files import scan
from sitewright.publishing.errors import DistRefused, LiveMoved
from sitewright.publishing.judgement.findings import PublishRefused
from sitewright.tables.keys import CommandRef
from workspace.build import dist_state
from workspace.build.dependencies import Modules
from workspace.build.failure_cause import BuildPart, caused_by_edit
from workspace.build.install_inputs import PACKAGE
from workspace.build.package_managers import NoManager
from workspace.build.publish_outcome import outcome
from workspace.build.site_publish import publish_build, publish_interrupted
from workspace.claim.session import commands_table
from workspace.errors import StepStopped
from workspace.guest import guest_files
from workspace.guest.guest_files import GuestFileError, Refusal
from workspace.repository.host_rules import unsent_commits
from workspace.step_context import StepContext
from workspace.steps.sendable import WouldBeRefused, make_sendable
from workspace.steps.up_to_date import ROUNDS, NotUpToDate, skipped, take_in_live
from workspace.system.child_environment import build_environment
from workspace.system.children import ChildResult

DIST = "dist"
FALLBACK_SUBJECT = "Update the website"

_LINES = 30
_MESSAGE_CHARACTERS = 1_900
"""ErrorInfo cuts the end of a longer text, but the cause stands at the end of a log."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_FRAME = re.compile(r"^\s+at .*(node:|node_modules/)")
_SOURCE = re.compile(r"(?<![\w/.-])(?:src|public|content|pages|components|layouts)/[\w@.\[\]()+ /-]*\.\w+")


class BuildFailed(Exception):
    """The site cannot be built; the text says why."""

    def __init__(self, message: str, part: BuildPart = BuildPart.BUILD, *, returncode: int = 0, log: str = "") -> None:
        super().__init__(message)
        self.part = part
        self.returncode = returncode
        self.log = log


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
    return publish_interrupted(ctx, ctx.paths.site / DIST)


@dataclass
class _Build:
    ctx: StepContext
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    deadline: float = 0.0

    def run(self) -> BuildResult:
        ctx = self.ctx
        self.deadline = time.monotonic() + ctx.settings.build_timeout_seconds
        dist_state.forget(ctx.paths.scratch)
        ctx.fence.verify()
        with self._timed("commit"):
            made = ctx.checkout.commit_all(ctx.command.commit_message or FALLBACK_SUBJECT)
            commit = made or ctx.checkout.head()
        if made is not None:
            # npm takes seconds. Without this the commit's upload would begin only after it.
            ctx.checkpoint_in_background()
        result = BuildResult(commit=commit, committed=made is not None)
        if made is None and (spared := skipped(ctx, commit, self._command)) is not None:
            return result.model_copy(update={**spared, "skipped": True, "seconds": self.seconds})
        try:
            return self._live(result)
        except (BuildFailed, DistRefused, OSError) as error:
            ctx.log("build failed", level="error", error=str(error))
            code = error.code if isinstance(error, DistRefused) else ErrorCode.BUILD_FAILED
            info = ErrorInfo.of(code, str(error))
            failed = {"error": info, "broken_by_edit": self._is_edits(error, info.message)}
        except PublishRefused as error:
            ctx.log("publish refused", level="error", code=error.code.value, error=error.message)
            info = ErrorInfo.of(error.code, error.message)
            may_repair = error.repairable and self._is_edits(error, info.message)
            failed = {
                "error": info,
                "broken_by_edit": may_repair,
                "build_success": not isinstance(error, WouldBeRefused),
            }
        except NotUpToDate as error:
            ctx.log("not published", level="error", error=str(error))
            failed = {"error": error.info, "broken_by_edit": error.agent_may_resolve and not self._tried}
        done = {**failed, "commit": ctx.checkout.head(), "notes": self.notes, "seconds": self.seconds}
        return result.model_copy(update=done)

    def _live(self, result: BuildResult) -> BuildResult:
        """Builds and publishes, on top of what is live. Raises BuildFailed, DistRefused, OSError, NotUpToDate, PublishRefused."""
        ctx = self.ctx
        for number in range(ROUNDS):
            if number:
                # All edits are committed: what differs now is what the build wrote, and it may be in the way.
                ctx.checkout.run("reset", "--quiet", "--hard")
            if ctx.newer is not None:
                with self._timed("takeIn"):
                    take_in_live(ctx, ctx.newer, self.notes.append)
            make_sendable(ctx)
            commit = ctx.checkout.head()
            self._build(commit)
            files = scan(ctx.paths.site / DIST, ctx.fence.check_stop)
            if not files:
                raise BuildFailed("`npm run build` left dist/ empty.")
            dist_state.mark_complete(ctx.paths.scratch, commit)
            ctx.save_commit(commit)
            ctx.progress(f"Publishing {len(files)} files")
            try:
                with self._timed("publish"):
                    published, not_invalidated = publish_build(ctx, files, commit)
            except LiveMoved as moved:
                ctx.log("another session published first, the build begins again", live=moved.commit)
                continue
            if ctx.newer is not None:
                ctx.newer.built(commit)
            if published.error is None:
                unsent_commits.forget(ctx.checkout, unsent_commits.REPLACED_REF)
            done = {**outcome(published, not_invalidated), "notes": [*self.notes, *published.notes]}
            return result.model_copy(update={**done, "commit": commit, "seconds": self.seconds})
        raise NotUpToDate.moved()

    def try_build(self) -> ErrorInfo | None:
        """Installs and builds. Returns why that failed."""
        ctx = self.ctx
        self.deadline = time.monotonic() + ctx.settings.build_timeout_seconds
        dist_state.forget(ctx.paths.scratch)
        try:
            self._build(ctx.checkout.head())
        except (BuildFailed, OSError) as error:
            ctx.log("build failed", level="error", error=str(error))
            return ErrorInfo.of(ErrorCode.BUILD_FAILED, str(error))
        return None

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
        """Returns an earlier command of the session; None if it cannot be read."""
        ctx = self.ctx
        try:
            ref = CommandRef.beside(ctx.request, command_id)
            return commands_table(ctx.aws, ctx.settings.commands_table).read(ref)
        except (ClientError, BotoCoreError) as unknown:
            ctx.log("how the command before ended is not known", commandBefore=command_id, error=str(unknown))
            return None

    def _failed_before(self) -> str | None:
        older = self.ctx.command.supersedes
        command = self._command(older) if older is not None else None
        build = command.build if command else None
        if build is None or build.error is None or (build.build_success and not build.is_refused):
            return None
        return build.error.message

    def _build(self, commit: str) -> None:
        site = self.ctx.paths.site
        package = read_package(site)
        with self._timed("install"):
            try:
                modules = Modules(self.ctx, self._run, self._seconds_left, package, self.notes.append)
                self._succeed("installing packages", modules.provide, BuildPart.INSTALL)
            except (NoManager, GuestFileError) as error:
                raise BuildFailed(str(error), BuildPart.PACKAGE) from error
        # A page that was deleted from the source must not survive in dist.
        self.ctx.settings.guest.remove(site / DIST)
        self.ctx.progress("Building the site")
        with self._timed("build"):
            try:
                self._succeed("npm run build", lambda: self._run(("npm", "run", "build")), BuildPart.BUILD)
            except StepStopped:
                dist_state.mark_stopped(self.ctx.paths.scratch, commit)
                raise
        if not guest_files.is_folder(site, DIST):
            raise BuildFailed("`npm run build` made no dist/ folder.")

    def _run(self, argv: Sequence[str], on_line: Callable[[str], None] | None = None) -> ChildResult:
        ctx = self.ctx
        return ctx.children.run(
            argv,
            cwd=ctx.paths.site,
            env=build_environment(ctx.paths, inherited=ctx.settings.inherited, author=ctx.author),
            timeout=self._seconds_left(),
            on_line=on_line,
        )

    def _seconds_left(self) -> float:
        return max(self.deadline - time.monotonic(), 1.0)

    def _succeed(self, what: str, work: Callable[[], ChildResult | None], part: BuildPart) -> None:
        try:
            done = work()
        except TimeoutError as error:
            seconds = self.ctx.settings.build_timeout_seconds
            message = f"{what} did not end within {seconds} s (`buildTimeoutSeconds` of the site)."
            raise BuildFailed(message, BuildPart.TIME) from error
        if done is not None and done.returncode != 0:
            message = f"{what} exited with {done.returncode}.\n{excerpt(done.tail, self.ctx.paths.site)}"
            raise BuildFailed(message, part, returncode=done.returncode, log=done.tail)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[part] = round(time.monotonic() - began, 3)


def excerpt(tail: str, site: Path) -> str:
    """Returns the readable end of a build's log.

    Removes colours and the tools' own stack frames. Adds the line that names the source file if it stands further
    up.
    """
    text = _ANSI.sub("", tail).replace(f"{site}/", "")
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not _FRAME.match(line)]
    end = "\n".join(lines[-_LINES:])[-_MESSAGE_CHARACTERS:]
    if not _SOURCE.search(end):
        named = next((line.strip() for line in reversed(lines) if _SOURCE.search(line)), None)
        if named:
            end = f"{named[:300]}\n{end[-(_MESSAGE_CHARACTERS - 301) :]}"
    return end


def read_package(site: Path) -> dict[str, Any]:
    """Returns the parsed package.json. Raises BuildFailed if it is missing, unreadable or without a build script."""
    try:
        package = json.loads(guest_files.read_file(site, PACKAGE, limit=PACKAGE_FILE_BYTES))
    except GuestFileError as error:
        missing = error.reason is Refusal.MISSING
        text = "The repository has no package.json in its root folder." if missing else f"package.json: {error}"
        raise BuildFailed(text, BuildPart.PACKAGE) from error
    except (ValueError, RecursionError) as error:
        raise BuildFailed(f"package.json is no JSON: {error}", BuildPart.PACKAGE) from error
    scripts = package.get("scripts") if isinstance(package, dict) else None
    if not isinstance(scripts, dict) or not isinstance(scripts.get("build"), str):
        raise BuildFailed("package.json has no script `build`.", BuildPart.PACKAGE)
    return dict(package)
