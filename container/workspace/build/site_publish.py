"""Publishes the session's build: the whole dist folder, or the whole files of an interrupted build."""

from collections.abc import Callable, Sequence
from pathlib import Path

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.publishing import manifest_store
from sitewright.publishing.dist_files import scan
from sitewright.publishing.errors import LiveMoved, PublishError
from sitewright.publishing.interrupted.whole_files import select_whole
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.manifest_store import live_keys
from sitewright.publishing.objects.invalidation import InvalidationFailed, invalidate, invalidation_paths
from sitewright.publishing.publish_result import PublishResult
from sitewright.publishing.publisher import publish
from sitewright.publishing.site_files import LocalFile
from sitewright.publishing.target import PublishTarget
from workspace.build import dist_state
from workspace.guest import guest_files
from workspace.step_context import StepContext

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

    Raises StepStopped, Fenced, LiveMoved.
    """
    result = publish(publish_target(ctx), files, commit, contains=_contains(ctx))
    if result.error is None:
        dist_state.forget(ctx.paths.scratch)
    return result, _invalidate(ctx, result)


def publish_interrupted(ctx: StepContext, dist: Path) -> int:
    """Publishes the whole files of an interrupted build: adds and replaces, deletes nothing. Returns how many were sent.

    Raises StepStopped, Fenced, DistRefused, PublishError (neither manifest nor bucket can be read), OSError.
    """
    state = dist_state.read(ctx.paths.scratch)
    if state is None or not guest_files.is_folder(ctx.paths.site, dist.name):
        return 0
    target, files = publish_target(ctx), scan(dist, ctx.fence.check_stop)
    if not state.complete:
        files = select_whole(files, live=live_keys(target), public=ctx.paths.site / _PUBLIC)
        ctx.log("files of the interrupted build that are whole", count=len(files))
    if not files:
        return 0
    try:
        result = publish(target, files, state.commit, partial=True, contains=_contains(ctx))
    except LiveMoved as error:
        ctx.log("the interrupted build is not published", level="warning", error=str(error))
        return 0
    if result.error is not None:
        ctx.log("the partial publish is incomplete", level="warning", error=result.error.message)
    return result.uploaded


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
