"""Makes the site what it is to be, one publisher after the other, and books what is live afterwards, whatever happened."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from workspace.errors import Fenced, StepStopped, StopReason
from workspace.step_context import StepContext

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.publishing import manifest_store
from sitewright.publishing.apply import Applier
from sitewright.publishing.errors import NotPutBack, NotRestorable, PublishError, SiteIs, SiteTaken
from sitewright.publishing.manifest import Manifest, ManifestEntry
from sitewright.publishing.manifest_store import Lease, RaceLost, Seen
from sitewright.publishing.objects import listing
from sitewright.publishing.plan import UNKNOWN, Listed, Plan, make_plan, needs_listing
from sitewright.publishing.publish_result import Outcome, deployment_id
from sitewright.publishing.publish_state import Ledger
from sitewright.publishing.site_files import LocalFile, SiteFile, stored_files
from sitewright.publishing.target import Site
from sitewright.retry import AwsError

_UNKNOWN = ManifestEntry(md5=UNKNOWN, size=0, content_type=UNKNOWN, cache_control=UNKNOWN)


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
    restoring: bool = False
    """Older versions are made live again. No check follows, so once it is done the bucket is compared with the books, and what
    is not right is made right; what S3 refuses halfway is taken back."""
    examine: Callable[[Plan, Callable[[], None]], None] = lambda *_: None
    """Sees each plan for `files` before it is carried out, and may raise. What takes it long calls its second argument every
    few seconds, in one thread, which keeps the site held if it is, and raises if the publish has to end."""
    id: str = ""
    now: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    plan: Plan | None = None
    """What is to be done next; None: the bucket has to be listed first."""
    compared: bool = False
    """The plan is one of the bucket, not of the manifest_store."""
    restored: bool = False
    """All that is known to be wrong is made right."""
    put_back: Manifest | None = None
    """What is live again, after a publish that could not be finished."""

    def run(self) -> Outcome:
        """Raises PublishError (NotRestorable: says what the site is now), StepStopped, Fenced, and what `examine` raises."""
        while True:
            seen = manifest_store.wait_for_turn(self.site, patient=not self.partial)
            self._begin(seen)
            if not needs_listing(seen.manifest):
                self._plan_by_books(seen)
            try:
                if self.plan is not None and not self._writes(self.plan):
                    return self._record(seen, self.plan)
                self.site.guard.verify()
                # Should the container die halfway, the next publish must not believe these manifest_store.
                held = self._manifest(complete=False, reconcile=True, held=True)
                lease = Lease(self.site, held.to_bytes(), seen.etag)
            except RaceLost:
                self.site.log("another write of the manifest came first, the publish is planned anew")
                continue
            break
        with self._given_back(seen, lease):
            self._do(seen, lease)
        return self.outcome()

    def outcome(self, error: ErrorInfo | None = None) -> Outcome:
        """What was done so far."""
        done = self.ledger
        unchanged = len(self.files) - len(done.wanted) if done.before is not None else 0
        return Outcome(
            self.id, len(done.uploaded), done.deleted, unchanged, error, done.stale, tuple(sorted(done.lost))
        )

    def _begin(self, seen: Seen) -> None:
        # Ids sort by time, and a deployment comes after the one that it replaces, whatever the two machines' clocks say.
        self.now = max(int(time.time() * 1000), seen.manifest.created_at + 1 if seen.manifest else 0)
        self.id = deployment_id(self.now, self.commit)
        self.ledger = Ledger(dict(seen.manifest.files) if seen.manifest else {})
        self.plan = None

    def _plan_by_books(self, seen: Seen) -> None:
        check = self.site.guard.check_stop
        plan = self._plan(seen.manifest, None, check)
        if self.restoring and not self._writes(plan):
            # Who changes the site after the listing has written the manifest before: the plan is made anew then.
            self._plan(seen.manifest, listing.objects(self.site, check), check)

    def _plan_by_listing(self, manifest: Manifest | None, lease: Lease) -> None:
        def alive() -> None:
            # A large bucket is listed for longer than a lease.
            self._check(lease)
            self._renew(lease)

        # Listed only now: nobody else writes the site any more.
        self._plan(manifest, listing.objects(self.site, alive), alive)

    def _plan(self, manifest: Manifest | None, found: Mapping[str, Listed] | None, alive: Callable[[], None]) -> Plan:
        self.compared = found is not None
        plan = make_plan(self.files, manifest, found, self.now, again=self.restoring and not self.compared)
        self.ledger.begin(plan)
        self.examine(plan, alive)
        self.plan = plan
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
        self.ledger.settle(plan)
        manifest = self._manifest(complete=True, reconcile=False)
        body = manifest.to_bytes()
        manifest_store.write_deployment(self.site, self.id, body, self.site.guard.check_stop)
        manifest_store.write(self.site, body, seen.etag, self.site.guard.check_stop)
        return self.outcome()

    def _do(self, seen: Seen, lease: Lease) -> None:
        applier = Applier(self.site, self.ledger, lambda: self._check(lease), lambda: self._renew(lease))
        try:
            if self.plan is None:
                self._plan_by_listing(seen.manifest, lease)
            self._apply(applier)
            if self.restoring and not self.compared:
                self.restored = True
                self.site.progress("Copied; comparing the bucket with the books")
                self._plan_by_listing(self._manifest(complete=False, reconcile=True), lease)
                self.restored = self.plan is not None and not self._writes(self.plan)
                self._apply(applier)
                self.restored = True
        except PublishError as error:
            if not self.restoring or not error.is_final:
                raise
            refusal = NotRestorable(error.bucket, error.key, error.code, str(error))
            self._put_back(seen, refusal, applier)
            raise refusal from error
        body = self._manifest(complete=not self.partial, reconcile=bool(self.ledger.unhealed)).to_bytes()
        if not self.partial:
            manifest_store.write_deployment(self.site, self.id, body, lease.check)
        lease.give_back(body)

    def _apply(self, applier: Applier) -> None:
        # Given away: of 20,001 files the next one would come on top of it.
        plan, self.plan = self.plan, None
        if plan is None:
            return
        applier.send(plan.phases)
        if not self.partial:
            applier.heal(plan.heals)
            applier.delete(plan.deletes)
            self.ledger.settle(plan)

    def _put_back(self, seen: Seen, error: NotRestorable, applier: Applier) -> None:
        """Makes the site what it was before, and has `error` say what it is now. Raises NotPutBack, SiteTaken, StepStopped."""
        done, before = self.ledger, seen.manifest
        if not done.changed:
            return
        error.site_is, self.restored = SiteIs.MIXED, False
        if before is None or not before.complete:
            return
        error.before = before.deployment_id
        self.site.progress("Putting back what was live before")
        now = self._manifest(complete=False, reconcile=True)
        # What the books say of these may not be so.
        for key in done.doubtful | done.unhealed:
            now.files[key] = now.files.get(key, _UNKNOWN).model_copy(update={"md5": UNKNOWN})
        plan = make_plan(stored_files(before), now, None, self.now)
        try:
            applier.send(plan.phases, what_is_there=True)
            error.missing = tuple(sorted(done.missing))
            if any(key in done.live for key in done.missing):
                # In its place is the target's, which may load what would be deleted now.
                return
            applier.delete(plan.deletes)
        except SiteTaken:
            raise
        except PublishError as fault:
            text = f"{str(error).rstrip('.')}; what was live before could not be put back: {fault}"
            failed = NotPutBack(fault.bucket, fault.key, fault.code, text)
            failed.before = before.deployment_id
            raise failed from fault
        done.settle(plan)
        self.put_back = before
        error.site_is = SiteIs.PUT_BACK

    def _check(self, lease: Lease) -> None:
        self.site.guard.check_stop()
        lease.check()

    def _renew(self, lease: Lease) -> None:
        if lease.is_due:
            lease.renew(self._manifest(complete=False, reconcile=True, held=True).to_bytes())

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
            files=self.ledger.entries(),
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
                if self.ledger.changed:
                    manifest_store.doubt(self.site)
            else:
                stopped = isinstance(error, (StepStopped, Fenced))
                done = self.ledger
                doubtful = bool(done.doubtful or done.unhealed) or done.before is None
                self._give_back(seen, lease, reconcile=not stopped or doubtful or self.restored)
            raise

    def _give_back(self, seen: Seen, lease: Lease, *, reconcile: bool) -> None:
        if seen.manifest is not None and not self.ledger.changed:
            manifest = seen.manifest.model_copy(update={"holder": None})
        elif self.put_back is not None:
            done = self.ledger
            doubtful = self.put_back.reconcile or bool(done.doubtful or done.missing or done.unhealed)
            now = {"holder": None, "reconcile": doubtful, "files": done.entries(), "complete": not done.missing}
            manifest = self.put_back.model_copy(update=now)
        else:
            manifest = self._manifest(complete=self.restored, reconcile=reconcile)
        try:
            # After an interrupt the generation is the newer command's, the claim is still ours.
            self.site.guard.verify(any_generation=True)
            lease.give_back(manifest.to_bytes())
        except (PublishError, Fenced, StepStopped, *AwsError) as error:
            self.site.log("the manifest could not be written", level="error", error=str(error))
