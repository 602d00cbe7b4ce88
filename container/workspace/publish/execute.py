"""Does what a plan says, one publisher after the other, and books what is live afterwards, whatever happened."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from contracts.errors import ErrorCode, ErrorInfo
from contracts.manifest import Manifest, ManifestEntry
from workspace.context import StepContext
from workspace.errors import Fenced, StepStopped, StopReason
from workspace.publish import books, crew, listing
from workspace.publish.books import Lease, RaceLost, Seen
from workspace.publish.content import LocalFile, Sent, SiteFile, is_html
from workspace.publish.faults import AwsError, PublishError, SiteTaken, is_passing, patiently
from workspace.publish.invalidate import stale
from workspace.publish.outcome import Outcome, deployment_id
from workspace.publish.plan import Heal, Listed, Plan, entry_of, make_plan, needs_listing
from workspace.publish.site import Site
from workspace.publish.transfer import Sender

_DELETE_BATCH = 1000
"""DeleteObjects takes that many keys at most."""


def publish(ctx: StepContext, files: Sequence[LocalFile], commit: str | None, *, partial: bool = False) -> Outcome:
    """Makes the site bucket hold `files`; with `partial`, only adds and replaces, and does not wait for others.

    A failure of S3 is in the outcome. Raises StepStopped and Fenced.
    """
    work = Publish(Site.of(ctx), files, commit, partial=partial)
    try:
        return work.run()
    except PublishError as error:
        ctx.log("publish failed", level="error", bucket=error.bucket, key=error.key, code=error.code)
        return work.outcome(ErrorInfo.of(ErrorCode.PUBLISH_FAILED, str(error)))


@dataclass
class Publish:
    """One publish of a site; `run` once."""

    site: Site
    files: Sequence[SiteFile]
    commit: str | None
    partial: bool = False
    compare: bool = False
    """The bucket counts, not the books: for a publish that no check follows, which would notice what was changed by hand."""
    examine: Callable[[Plan, Callable[[], None]], None] = lambda *_: None
    """Sees the plan before anything of the site is changed, and may raise. What takes it long calls its second argument every
    few seconds, in one thread, which keeps the site held and raises if the publish has to end."""
    id: str = ""
    now: int = 0
    uploaded: int = 0
    deleted: int = 0
    unchanged: int = 0
    live: dict[str, ManifestEntry] = field(default_factory=dict)
    before: frozenset[str] = frozenset()
    """What was live before this publish; with what was sent and what is gone it tells which cached copies are old."""
    sent: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unhealed: int = 0
    """Assets that are in the books and not in the bucket."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    touched: bool = False
    """Something of the site was changed, or may have been."""
    planned: bool = False
    """What is live is known."""
    unsure: bool = False
    """A request failed that may have been carried out all the same."""

    def run(self) -> Outcome:
        """Raises PublishError, StepStopped, Fenced, and what `examine` raises."""
        while True:
            seen = books.wait_for_turn(self.site, patient=not self.partial)
            self._begin(seen)
            plan = None if needs_listing(seen.manifest) else self._plan_by_books(seen)
            try:
                if plan is not None and not self._writes(plan):
                    return self._record(seen, plan)
                self.site.guard.verify()
                # Should the container die halfway, the next publish must not believe these books.
                held = self._manifest(complete=False, reconcile=True, held=True)
                lease = Lease(self.site, held.to_bytes(), seen.etag)
            except RaceLost:
                self.site.log("another write of the manifest came first, the publish is planned anew")
                continue
            break
        with self._given_back(seen, lease):
            # Listed only now: nobody else writes the site any more.
            self._do(plan or self._plan_from_listing(seen, lease), lease)
        return self.outcome()

    def outcome(self, error: ErrorInfo | None = None) -> Outcome:
        """What was done so far."""
        old = tuple(stale(self.sent, self.gone, self.before))
        return Outcome(self.id, self.uploaded, self.deleted, self.unchanged, error, old, tuple(sorted(self.lost)))

    def _begin(self, seen: Seen) -> None:
        # Ids sort by time, and a deployment comes after the one that it replaces, whatever the two machines' clocks say.
        self.now = max(int(time.time() * 1000), seen.manifest.created_at + 1 if seen.manifest else 0)
        self.id = deployment_id(self.now, self.commit)
        self.live = dict(seen.manifest.files) if seen.manifest else {}
        self.planned = False
        self.unhealed = 0

    def _plan_by_books(self, seen: Seen) -> Plan:
        # Who changes the site after the listing has written the manifest before: the plan is made anew then.
        check = self.site.guard.check_stop
        return self._plan(seen, listing.objects(self.site, check) if self.compare else None, check)

    def _plan_from_listing(self, seen: Seen, lease: Lease) -> Plan:
        def alive() -> None:
            # A large bucket is listed for longer than a lease.
            self._check(lease)
            self._renew(lease)

        return self._plan(seen, listing.objects(self.site, alive), alive)

    def _plan(self, seen: Seen, found: Mapping[str, Listed] | None, alive: Callable[[], None]) -> Plan:
        plan = make_plan(self.files, seen.manifest, found, self.now)
        self.live = dict(plan.live)
        self.planned = True
        self.before = frozenset(self.live)
        self.unchanged = plan.unchanged
        self.unhealed = len(plan.heals)
        self.examine(plan, alive)
        return plan

    def _writes(self, plan: Plan) -> bool:
        return any(plan.phases) or (plan.writes and not self.partial)

    def _record(self, seen: Seen, plan: Plan) -> Outcome:
        """Nothing of the site changes: at most the deployment does, in one write of the manifest. Raises RaceLost."""
        known = seen.manifest
        if known is None or self.partial:
            return self.outcome()
        if known.complete and known.commit == self.commit and not plan.settled and known.holder is None:
            self.id = known.deployment_id
            return self.outcome()
        self.site.guard.verify()
        self.live.update(plan.settled)
        manifest = self._manifest(complete=True, reconcile=False)
        body = manifest.to_bytes()
        books.write_deployment(self.site, self.id, body, self.site.guard.check_stop)
        books.write(self.site, body, seen.etag, self.site.guard.check_stop)
        return self.outcome()

    def _do(self, plan: Plan, lease: Lease) -> None:
        with Sender(self.site, lambda: self._check(lease)) as sender:
            for phase in plan.phases:
                crew.for_each(phase, lambda file: self._send(file, sender), lambda: self._renew(lease))
            if not self.partial:
                crew.for_each(plan.heals, lambda heal: self._heal(heal, sender), lambda: self._renew(lease))
        if not self.partial:
            if plan.deletes:
                self.site.guard.verify()
                # DeleteObjects is not atomic: no page may outlive what it loads.
                for wanted in (True, False):
                    self._delete(tuple(key for key in plan.deletes if is_html(key) is wanted), lease)
            self.live.update(plan.settled)
        body = self._manifest(complete=not self.partial, reconcile=self.unhealed > 0).to_bytes()
        if not self.partial:
            books.write_deployment(self.site, self.id, body, lease.check)
        lease.give_back(body)

    def _check(self, lease: Lease) -> None:
        self.site.guard.check_stop()
        lease.check()

    def _send(self, file: SiteFile, sender: Sender) -> None:
        sent = self._sent(file, sender)
        with self.lock:
            self.live[file.key] = entry_of(file, sent.etag, sent.version_id)
            self.uploaded += 1
            self.sent.append(file.key)

    def _heal(self, heal: Heal, sender: Sender) -> None:
        key = heal.file.key
        try:
            sent = self._sent(heal.file, sender)
        except PublishError as error:
            if not isinstance(error.__cause__, ClientError) or is_passing(error.__cause__):
                raise
            # Its version expired, or was deleted too. No page needs it that is published now: no reason to fail.
            self.site.log("an asset of older pages is lost", level="warning", key=key, error=str(error))
            with self.lock:
                self.unhealed -= 1
                self.lost.append(key)
                if heal.there is not None:
                    self.live[key] = heal.there
                else:
                    del self.live[key]
            return
        with self.lock:
            self.unhealed -= 1
            self.sent.append(key)
            entry = entry_of(heal.file, sent.etag, sent.version_id)
            self.live[key] = entry.model_copy(update={"retired_at": heal.retired_at})

    def _sent(self, file: SiteFile, sender: Sender) -> Sent:
        self.touched = True
        try:
            return sender.send(file)
        except BaseException:
            self.unsure = self.unsure or sender.attempted
            raise

    def _renew(self, lease: Lease) -> None:
        if lease.is_due:
            with self.lock:
                manifest = self._manifest(complete=False, reconcile=True, held=True)
            lease.renew(manifest.to_bytes())

    def _delete(self, keys: tuple[str, ...], lease: Lease) -> None:
        for start in range(0, len(keys), _DELETE_BATCH):
            self._check(lease)
            self._renew(lease)
            left = list(keys[start : start + _DELETE_BATCH])
            self.touched = True
            self.unsure = True
            try:
                patiently(lambda left=left: self._delete_batch(left), lambda: self._check(lease))  # type: ignore[misc]
            except AwsError as error:
                raise PublishError.of(self.site.bucket, left[0], error) from error
            self.unsure = False

    def _delete_batch(self, left: list[str]) -> None:
        """Deletes the keys and takes them off the list. Raises ClientError, also for one that S3 could not delete."""
        answer = self.site.s3.delete_objects(
            Bucket=self.site.bucket, Delete={"Objects": [{"Key": key} for key in left], "Quiet": True}
        )
        failed = {error.get("Key", ""): error for error in answer.get("Errors", [])}
        for key in [key for key in left if key not in failed]:
            left.remove(key)
            self.live.pop(key, None)
            self.deleted += 1
            self.gone.append(key)
        for error in failed.values():
            text = {k: str(error.get(k, "")) for k in ("Code", "Message")}
            raise ClientError({"Error": text}, "DeleteObjects")  # type: ignore[typeddict-item]

    def _manifest(self, *, complete: bool, reconcile: bool, held: bool = False) -> Manifest:
        return Manifest(
            client_id=self.site.client_id,
            bucket=self.site.bucket,
            deployment_id=self.id,
            commit=self.commit,
            complete=complete,
            created_at=self.now,
            reconcile=reconcile,
            holder=self.site.holder if held else None,
            files=dict(sorted(self.live.items())),
        )

    @contextmanager
    def _given_back(self, seen: Seen, lease: Lease) -> Iterator[None]:
        """Gives the site back if what is done inside fails; if it is somebody else's by then, tells of late requests."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, SiteTaken) or (
                isinstance(error, StepStopped) and error.reason is StopReason.CLAIM_LOST
            ):
                if self.touched:
                    books.doubt(self.site)
            else:
                stopped = isinstance(error, (StepStopped, Fenced))
                doubtful = self.unsure or self.unhealed > 0 or not self.planned
                self._give_back(seen, lease, reconcile=not stopped or doubtful)
            raise

    def _give_back(self, seen: Seen, lease: Lease, *, reconcile: bool) -> None:
        if seen.manifest is not None and not self.touched:
            manifest = seen.manifest.model_copy(update={"holder": None})
        else:
            manifest = self._manifest(complete=False, reconcile=reconcile)
        try:
            # After an interrupt the generation is the newer command's, the claim is still ours.
            self.site.guard.verify(any_generation=True)
            lease.give_back(manifest.to_bytes())
        except (PublishError, Fenced, StepStopped, *AwsError) as error:
            self.site.log("the manifest could not be written", level="error", error=str(error))
