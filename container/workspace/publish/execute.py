"""Does what a plan says, and books what is live afterwards, whatever happened."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import ErrorCode, ErrorInfo
from contracts.manifest import Manifest, ManifestEntry
from contracts.names import manifest_key
from workspace.context import StepContext
from workspace.errors import Fenced, StepStopped, StopReason
from workspace.publish.content import LocalFile
from workspace.publish.invalidate import stale
from workspace.publish.plan import Listed, Plan, entry_of, make_plan, needs_listing

THREADS = 16
_DELETE_BATCH = 1000
"""DeleteObjects takes that many keys at most."""


@dataclass(frozen=True)
class Outcome:
    """What a publish did. `error` is set if it is not whole."""

    deployment_id: str
    uploaded: int = 0
    deleted: int = 0
    unchanged: int = 0
    error: ErrorInfo | None = None
    stale: tuple[str, ...] = ()
    """Keys of which a cache in front of the bucket may hold an old copy."""


class PublishError(Exception):
    """S3 refused or did not answer, or a file could not be read."""

    def __init__(self, bucket: str, key: str, error: Exception) -> None:
        code, text = type(error).__name__, str(error)
        if isinstance(error, ClientError):
            code = str(error.response.get("Error", {}).get("Code", code))
            text = str(error.response.get("Error", {}).get("Message", text))
        super().__init__(f"s3://{bucket}/{key}: {code}: {text}")
        self.bucket, self.key, self.code = bucket, key, code


def deployment_id(now: int, commit: str | None) -> str:
    """An id that sorts by time: UTC to the millisecond, and the commit's first digits."""
    moment = datetime.fromtimestamp(now / 1000, UTC)
    return f"{moment:%Y%m%dT%H%M%S}{now % 1000:03d}Z-{(commit or 'none')[:8]}"


def publish(ctx: StepContext, files: list[LocalFile], commit: str | None, *, partial: bool = False) -> Outcome:
    """Makes the site bucket hold `files`; with `partial`, only adds and replaces.

    A failure of S3 is in the outcome. Raises StepStopped and Fenced.
    """
    now = int(time.time() * 1000)
    run = _Publish(ctx, deployment_id(now, commit), commit, now)
    try:
        manifest = read_manifest(ctx)
        plan = make_plan(files, manifest, run.listing() if needs_listing(manifest) else None, now)
        run.do(plan, partial=partial)
    except PublishError as error:
        ctx.log("publish failed", level="error", bucket=error.bucket, key=error.key, code=error.code)
        info = ErrorInfo.of(ErrorCode.PUBLISH_FAILED, str(error))
        return Outcome(run.id, run.uploaded, run.deleted, run.unchanged, info, run.stale)
    return Outcome(run.id, run.uploaded, run.deleted, run.unchanged, stale=run.stale)


def live_keys(ctx: StepContext) -> set[str]:
    """The keys that are live, by the books, or by the bucket where there are none. Raises PublishError."""
    manifest = read_manifest(ctx)
    if manifest is not None and not manifest.reconcile:
        return set(manifest.files)
    return set(_Publish(ctx, "", None, 0).listing())


@dataclass
class _Publish:
    ctx: StepContext
    id: str
    commit: str | None
    now: int
    uploaded: int = 0
    deleted: int = 0
    unchanged: int = 0
    live: dict[str, ManifestEntry] = field(default_factory=dict)
    before: frozenset[str] = frozenset()
    put: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def stale(self) -> tuple[str, ...]:
        return tuple(stale(self.put, self.gone, self.before))

    @property
    def bucket(self) -> str:
        return self.ctx.settings.site_bucket

    def listing(self) -> dict[str, Listed]:
        """Every object of the bucket. Raises PublishError."""
        found = {}
        try:
            for page in self.ctx.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
                self.ctx.fence.check_stop()
                for item in page.get("Contents", []):
                    found[item["Key"]] = Listed(item["ETag"].strip('"'), item["Size"])
        except (ClientError, BotoCoreError) as error:
            raise PublishError(self.bucket, "", error) from error
        return found

    def do(self, plan: Plan, *, partial: bool) -> None:
        """Uploads, deletes, books. Raises PublishError, StepStopped, Fenced."""
        self.live = dict(plan.live)
        self.before = frozenset(plan.live)
        self.unchanged = plan.unchanged
        if partial and not any(plan.phases):
            return
        deletes = () if partial else plan.deletes
        self.ctx.fence.verify()
        if any(plan.phases) or deletes:
            # Should the container die halfway, the next publish must not believe the old books.
            self._book(complete=False, reconcile=True)
        try:
            for phase in plan.phases:
                self._upload(phase)
            if deletes:
                self.ctx.fence.verify()
                self._delete(deletes)
        except StepStopped as stopped:
            if stopped.reason is not StopReason.CLAIM_LOST:
                self._book_after_failure(reconcile=False)
            raise
        except PublishError:
            # A request that failed for us may have been carried out.
            self._book_after_failure(reconcile=True)
            raise
        if not partial:
            self.live.update(plan.settled)
        self._book(complete=not partial, reconcile=False)

    def _upload(self, phase: tuple[LocalFile, ...]) -> None:
        if not phase:
            return
        with ThreadPoolExecutor(min(THREADS, len(phase))) as pool:
            futures = [pool.submit(self._put, file) for file in phase]
            done, waiting = wait(futures, return_when=FIRST_EXCEPTION)
            if waiting:
                self.cancelled.set()
                done, _ = wait(futures)
        failures = [error for future in futures if future in done and (error := future.exception())]
        for error in failures:
            if isinstance(error, StepStopped):
                raise error
        if failures:
            raise failures[0]

    def _put(self, file: LocalFile) -> None:
        if self.cancelled.is_set():
            return
        self.ctx.fence.check_stop()
        try:
            with file.path.open("rb") as body:
                answer = self.ctx.aws.s3.put_object(
                    Bucket=self.bucket,
                    Key=file.key,
                    Body=body,
                    ContentType=file.content_type,
                    CacheControl=file.cache_control,
                )
        except (ClientError, BotoCoreError, OSError) as error:
            raise PublishError(self.bucket, file.key, error) from error
        with self.lock:
            self.live[file.key] = entry_of(file, answer["ETag"].strip('"'))
            self.uploaded += 1
            self.put.append(file.key)

    def _delete(self, keys: tuple[str, ...]) -> None:
        for start in range(0, len(keys), _DELETE_BATCH):
            self.ctx.fence.check_stop()
            batch = keys[start : start + _DELETE_BATCH]
            try:
                answer = self.ctx.aws.s3.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
                )
            except (ClientError, BotoCoreError) as error:
                raise PublishError(self.bucket, batch[0], error) from error
            errors = answer.get("Errors", [])
            failed = {error.get("Key", "") for error in errors}
            for key in batch:
                if key not in failed:
                    self.live.pop(key, None)
                    self.deleted += 1
                    self.gone.append(key)
            if errors:
                cause = ClientError({"Error": {k: str(errors[0].get(k, "")) for k in ("Code", "Message")}}, "Delete")  # type: ignore[typeddict-item]
                raise PublishError(self.bucket, errors[0].get("Key", ""), cause)

    def _book(self, *, complete: bool, reconcile: bool) -> None:
        bucket, key = self.ctx.settings.artifacts_bucket, manifest_key(self.ctx.settings.client_id)
        manifest = Manifest(
            client_id=self.ctx.settings.client_id,
            deployment_id=self.id,
            commit=self.commit,
            complete=complete,
            created_at=self.now,
            reconcile=reconcile,
            files=dict(sorted(self.live.items())),
        )
        try:
            self.ctx.aws.s3.put_object(Bucket=bucket, Key=key, Body=manifest.to_bytes(), ContentType="application/gzip")
        except (ClientError, BotoCoreError) as error:
            raise PublishError(bucket, key, error) from error

    def _book_after_failure(self, *, reconcile: bool) -> None:
        try:
            # After an interrupt the generation is the newer command's, the claim is still ours.
            self.ctx.fence.verify(any_generation=True)
            self._book(complete=False, reconcile=reconcile)
        except (PublishError, Fenced, StepStopped, ClientError, BotoCoreError) as error:
            self.ctx.log("the manifest could not be written", level="error", error=str(error))


def read_manifest(ctx: StepContext) -> Manifest | None:
    """The books of the site; None if there are none, or none that can be read."""
    bucket, key = ctx.settings.artifacts_bucket, manifest_key(ctx.settings.client_id)
    log: Callable[..., None] = ctx.log
    try:
        body = ctx.aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        manifest = Manifest.from_bytes(body)
    except (ClientError, BotoCoreError, ValueError) as error:
        log("no manifest that can be read: the bucket is listed", key=key, error=str(error)[:300])
        return None
    return manifest if manifest.client_id == ctx.settings.client_id else None


__all__ = ["Outcome", "PublishError", "deployment_id", "live_keys", "publish", "read_manifest"]
