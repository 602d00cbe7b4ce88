"""Publishes the session's build: the whole dist folder, or the whole files of an interrupted build."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.publishing import manifest_store
from sitewright.publishing.dist_files import scan
from sitewright.publishing.errors import LiveMoved, PublishError
from sitewright.publishing.interrupted.whole_files import select_whole
from sitewright.publishing.judgement.findings import PublishRefused, counted, named
from sitewright.publishing.judgement.judge import Judge
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.manifest_store import live_keys
from sitewright.publishing.objects.invalidation import InvalidationFailed, invalidate, invalidation_paths
from sitewright.publishing.pages.flat_pages import further_keys, leading_pages
from sitewright.publishing.publish_result import PublishResult
from sitewright.publishing.publisher import publish
from sitewright.publishing.site_files import LocalFile
from sitewright.publishing.target import PublishTarget
from workspace.build import dist_state
from workspace.build.dist_state import DistState
from workspace.build.edit_since import edit_since, empty_submodules
from workspace.guest import guest_files
from workspace.guest.guest_files import GuestFileError
from workspace.step_context import StepContext

_LEADING_PAGES = "leading-pages"

_PUBLIC = "public"
"""Astro and Vite copy this folder into dist unchanged, before any other output."""


def publish_target(ctx: StepContext) -> PublishTarget:
    """Describes the step's site for the publisher; the lease owner is the session."""
    return PublishTarget(
        s3=ctx.aws.s3,
        bucket=ctx.settings.site_bucket,
        artifacts_bucket=ctx.settings.artifacts_bucket,
        client_id=ctx.settings.client_id,
        lease_owner=ctx.session.session_id,
        guard=ctx.fence,
        log=ctx.log,
        progress=ctx.progress,
        small_objects=ctx.aws.small_objects,
    )


def live_site(ctx: StepContext) -> Manifest | None:
    """Returns the live manifest without its files; None if there is none, or reading fails. Raises StepStopped."""
    try:
        return manifest_store.read_head(publish_target(ctx))
    except PublishError as error:
        ctx.log("the manifest cannot be read", level="warning", error=str(error))
        return None


def publish_build(ctx: StepContext, files: Sequence[LocalFile], commit: str) -> tuple[PublishResult, ErrorInfo | None]:
    """Publishes a finished build and invalidates CloudFront's copies. Returns the result, and the invalidation's error.

    Raises StepStopped, Fenced, LiveMoved, PublishRefused (nothing of this build may go live later either).
    """
    files = _with_flat_pages(ctx, files)
    judge = _judge(ctx, files)
    try:
        result = publish(publish_target(ctx), files, commit, check_plan=judge, contains=_contains(ctx))
    except PublishRefused:
        dist_state.forget(ctx.paths.scratch)
        raise
    if result.error is None:
        dist_state.forget(ctx.paths.scratch)
    notes = (*judge.notes, *_told(empty_submodules(ctx)))
    return replace(result, broken_links=len(judge.broken), notes=notes), _invalidate(ctx, result)


def _told(empty: Sequence[str]) -> Sequence[str]:
    if not empty:
        return ()
    are = "is" if len(empty) == 1 else "are"
    text = (
        f"{counted(len(empty), 'submodule')} {are} empty in the workspace: {named(empty)}. The site was built without"
    )
    return (f"{text} those files.",)


def publish_interrupted(ctx: StepContext) -> int:
    """Publishes the whole files of an interrupted build: adds and replaces, deletes nothing. Returns how many were sent.

    Raises StepStopped, Fenced, DistRefused, PublishError (neither manifest nor bucket can be read), OSError.
    """
    state = dist_state.read(ctx.paths.scratch)
    if state is None or not guest_files.is_folder(ctx.paths.site, state.output):
        return 0
    with output_path(ctx, state.output) as dist:
        return _publish_interrupted(ctx, state, dist)


@contextmanager
def output_path(ctx: StepContext, output: str) -> Iterator[Path]:
    """Opens the folder above a build's output, and yields a path of the output that no link can redirect.

    Raises OSError.
    """
    above, _, name = output.rpartition("/")
    try:
        with guest_files.held(ctx.paths.site, above) as folder:
            yield folder / name
    except GuestFileError as error:
        raise OSError(f"the output cannot be opened: {error}") from error


def _publish_interrupted(ctx: StepContext, state: DistState, dist: Path) -> int:
    target, files = publish_target(ctx), scan(dist, ctx.fence.check_stop)
    if not state.complete:
        public = ctx.paths.site / (ctx.settings.directory or "") / _PUBLIC
        files = select_whole(files, live=live_keys(target), public=public)
        ctx.log("files of the interrupted build that are whole", count=len(files))
    if not files:
        return 0
    files = _with_flat_pages(ctx, files)
    judge = replace(_judge(ctx, files), partial=True)
    try:
        result = publish(target, files, state.commit, partial=True, check_plan=judge, contains=_contains(ctx))
    except PublishRefused as refused:
        ctx.log("the partial publish is refused", level="warning", code=refused.code.value, reason=str(refused))
        return 0
    except LiveMoved as error:
        ctx.log("the interrupted build is not published", level="warning", error=str(error))
        return 0
    if result.error is not None:
        ctx.log("the partial publish is incomplete", level="warning", error=result.error.message)
    return result.uploaded


def _with_flat_pages(ctx: StepContext, files: Sequence[LocalFile]) -> list[LocalFile]:
    """Adds the objects by which `/about` serves `about.html`."""
    folder = ctx.paths.scratch / _LEADING_PAGES
    shutil.rmtree(folder, ignore_errors=True)
    if ctx.settings.distribution_id is None:
        return [*files, *further_keys(files)]
    try:
        return [*files, *leading_pages(files, folder)]
    except OSError as error:
        ctx.log("the pages that lead to flat pages could not be written", level="error", error=str(error))
        return list(files)


def _judge(ctx: StepContext, files: Sequence[LocalFile]) -> Judge:
    return Judge(
        files=files,
        root=files[0].root if files else "",
        # The bucket has the host's name: S3 finds a website's bucket by it.
        host=ctx.settings.site_bucket,
        edit=lambda live: edit_since(ctx, live),
        log=ctx.log,
        allowed=ctx.command.allow or (),
    )


def _contains(ctx: StepContext) -> Callable[[str], bool]:
    return ctx.newer.contains if ctx.newer is not None else lambda _: True


def _invalidate(ctx: StepContext, result: PublishResult) -> ErrorInfo | None:
    distribution, paths = ctx.settings.distribution_id, invalidation_paths(result.stale)
    try:
        if invalidate(distribution, result.deployment_id, paths, lambda: ctx.aws.cloudfront):
            ctx.log("invalidated", distribution=distribution, paths=len(paths))
    except InvalidationFailed as error:
        ctx.log("invalidation failed", level="error", distribution=distribution, error=str(error)[:500])
        return ErrorInfo.of(ErrorCode.INVALIDATION_FAILED, f"CloudFront distribution {distribution}: {error}")
    return None
