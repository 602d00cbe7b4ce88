"""Publishes a build under an exclusive lease and records what is live, also after a failure."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.publishing import manifest_store
from sitewright.publishing.apply import Applier, revert
from sitewright.publishing.errors import (
    LeaseUnavailable,
    LiveMoved,
    NotRestorable,
    PublishError,
    PublishStopped,
    SiteState,
)
from sitewright.publishing.lease import Lease, wait_for_lease
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.manifest_store import ManifestChanged, StoredManifest
from sitewright.publishing.objects.listing import list_objects
from sitewright.publishing.plan import Plan, PlanCheck, make_plan, needs_listing, unchecked
from sitewright.publishing.publish_result import PublishResult, make_deployment_id
from sitewright.publishing.publish_state import PublishState
from sitewright.publishing.site_files import ListedObject, LocalFile, SiteFile
from sitewright.publishing.target import PublishTarget
from sitewright.retry import AwsError


def publish(
    target: PublishTarget,
    files: Sequence[LocalFile],
    commit: str | None,
    *,
    partial: bool = False,
    check_plan: PlanCheck = unchecked,
    contains: Callable[[str], bool] = lambda _: True,
) -> PublishResult:
    """Makes the site's bucket contain exactly `files`; a failure of S3 is in the result's `error`.

    With `partial`, only adds and replaces files, and fails instead of waiting. Raises PublishStopped, LiveMoved (`contains`),
    and what `check_plan` raises.
    """
    work = Publish(target, files, commit, partial=partial, check_plan=check_plan, contains=contains)
    try:
        return work.run()
    except PublishError as error:
        target.log("publish failed", level="error", bucket=error.bucket, key=error.key, code=error.code)
        return work.result(ErrorInfo.of(ErrorCode.PUBLISH_FAILED, str(error)))


@dataclass
class Publish:
    """One publish of a site. `run` may be called once."""

    target: PublishTarget
    files: Sequence[SiteFile]
    commit: str | None
    partial: bool = False
    restoring: bool = False
    """Whether this is a rollback.

    record_sync does not run after a rollback. So the publisher itself compares the bucket with the manifest and repairs it
    at the end. If S3 refuses a copy halfway, the publisher reverts the site.
    """
    check_plan: PlanCheck = unchecked
    """Called with each plan before it is carried out; may raise."""
    broken_paths: list[str] | None = None
    """The broken paths of the site, by the last check."""
    contains: Callable[[str], bool] = lambda _: True
    """Asked for the live commit before the lease is taken. A manifest that changes after that refuses the lease."""
    session_id: str | None = None
    """The session that the commit is of. None: the lease owner's."""
    id: str = ""
    now: int = 0
    state: PublishState = field(default_factory=PublishState)
    plan: Plan | None = None
    """The next plan to carry out; None if the bucket has to be listed first."""
    from_listing: bool = False
    """Whether the plan was made from a listing of the bucket, not from the manifest alone."""
    restored: bool = False
    """Whether all known differences from the restored deployment are repaired."""
    reverted_to: Manifest | None = None
    """The deployment that is live again after a failed rollback."""

    def run(self) -> PublishResult:
        """Publishes. Raises PublishError (NotRestorable tells the site's state), PublishStopped, LiveMoved, `check_plan`'s errors."""
        while True:
            stored = wait_for_lease(self.target, wait=not self.partial)
            self._check_live(stored.manifest)
            self._begin(stored)
            if not needs_listing(stored.manifest):
                self._plan_from_manifest(stored)
            try:
                if self.plan is not None and not self._writes(self.plan):
                    return self._record_unchanged(stored, self.plan)
                self.target.guard.verify()
                # If the container dies halfway, the next publish must not trust this manifest.
                leased = self._manifest(complete=False, reconcile=True, leased=True)
                lease = Lease(self.target, leased.to_bytes(), stored.etag)
            except ManifestChanged:
                self.target.log("another write of the manifest came first, the publish is planned anew")
                continue
            break
        with self._released_on_failure(stored, lease):
            self._carry_out(stored, lease)
        return self.result()

    def result(self, error: ErrorInfo | None = None) -> PublishResult:
        """Returns the result so far."""
        return self.state.result(self.id, self.files, error)

    def _check_live(self, live: Manifest | None) -> None:
        if live is not None and live.commit not in {None, self.commit} and not self.contains(str(live.commit)):
            raise LiveMoved(str(live.commit))

    def _begin(self, stored: StoredManifest) -> None:
        # Ids sort by time: a deployment sorts after the one that it replaces, even if the two machines' clocks disagree.
        self.now = max(int(time.time() * 1000), stored.manifest.created_at + 1 if stored.manifest else 0)
        self.id = make_deployment_id(self.now, self.commit)
        self.state = PublishState(dict(stored.manifest.files) if stored.manifest else {})
        self.broken_paths = stored.manifest.broken_paths if stored.manifest else None
        self.plan = None

    def _plan_from_manifest(self, stored: StoredManifest) -> None:
        check = self.target.guard.check_stop
        plan = self._plan(stored.manifest, None, check)
        if self.restoring and not self._writes(plan):
            # A publisher that changes the site after the listing writes the manifest first. This publisher then plans anew.
            self._plan(stored.manifest, list_objects(self.target, check), check)

    def _plan_from_listing(self, manifest: Manifest | None, lease: Lease) -> None:
        def keep_lease() -> None:
            # Listing a large bucket takes longer than a lease lasts.
            self._check(lease)
            self._renew(lease)

        # Listed under the lease: no other publisher writes to the site now.
        self._plan(manifest, list_objects(self.target, keep_lease), keep_lease)

    def _plan(
        self, manifest: Manifest | None, found: Mapping[str, ListedObject] | None, keep_lease: Callable[[], None]
    ) -> Plan:
        self.from_listing = found is not None
        resend = self.restoring and not self.from_listing
        plan = make_plan(self.files, manifest, found, self.now, resend_retired=resend)
        self.state.start(plan)
        self.broken_paths = self.check_plan(plan, manifest, keep_lease)
        self.plan = plan
        return plan

    def _writes(self, plan: Plan) -> bool:
        return any(plan.phases) or (plan.writes and not self.partial)

    def _record_unchanged(self, stored: StoredManifest, plan: Plan) -> PublishResult:
        """Records a publish that changes no object, with at most one write of the live manifest. Raises ManifestChanged."""
        known = stored.manifest
        if known is None or self.partial:
            return self.result()
        if known.complete and known.commit == self.commit and not plan.settled and known.lease_owner is None:
            self.id = known.deployment_id
            return self.result()
        check = self.target.guard.check_stop
        self.target.guard.verify()
        self.state.record_settled(plan)
        body = self._manifest(complete=True, reconcile=False).to_bytes()
        manifest_store.write_deployment(self.target, self.id, body, check)
        manifest_store.write(self.target, body, stored.etag, check)
        return self.result()

    def _carry_out(self, stored: StoredManifest, lease: Lease) -> None:
        applier = Applier(self.target, self.state, lambda: self._check(lease), lambda: self._renew(lease))
        try:
            if self.plan is None:
                self._plan_from_listing(stored.manifest, lease)
            self._apply(applier)
            if self.restoring and not self.from_listing:
                self.restored = True
                self.target.progress("Copied; comparing the bucket with the manifest")
                self._plan_from_listing(self._manifest(complete=False, reconcile=True), lease)
                self.restored = self.plan is not None and not self._writes(self.plan)
                self._apply(applier)
                self.restored = True
        except PublishError as error:
            if not self.restoring or not error.is_final:
                raise
            refusal = NotRestorable(error.bucket, error.key, error.code, str(error))
            self._revert(stored, refusal, applier)
            raise refusal from error
        body = self._manifest(complete=not self.partial, reconcile=bool(self.state.unhealed)).to_bytes()
        if not self.partial:
            manifest_store.write_deployment(self.target, self.id, body, lease.check)
        lease.release(body)

    def _apply(self, applier: Applier) -> None:
        # Dropped at once: with 20,001 files the next plan would need as much memory again.
        plan, self.plan = self.plan, None
        if plan is None:
            return
        applier.send(plan.phases)
        if not self.partial:
            applier.heal(plan.heals)
            applier.delete(plan.deletes)
            self.state.record_settled(plan)

    def _revert(self, stored: StoredManifest, error: NotRestorable, applier: Applier) -> None:
        """Restores the previously live deployment and notes the site's state in `error`. Raises what `revert` raises."""
        before = stored.manifest
        if not self.state.changed:
            return
        error.site_state, self.restored = SiteState.MIXED, False
        if before is None or not before.complete:
            return
        error.before = before.deployment_id
        self.target.progress("Putting back what was live before")
        if revert(applier, before, self._manifest(complete=False, reconcile=True), error):
            self.reverted_to = before
            error.site_state = SiteState.REVERTED

    def _check(self, lease: Lease) -> None:
        self.target.guard.check_stop()
        lease.check()

    def _renew(self, lease: Lease) -> None:
        if lease.needs_renewal:
            lease.renew(self._manifest(complete=False, reconcile=True, leased=True).to_bytes())

    def _manifest(self, *, complete: bool, reconcile: bool, leased: bool = False) -> Manifest:
        return Manifest(
            client_id=self.target.client_id,
            bucket=self.target.bucket,
            deployment_id=self.id,
            commit=self.commit,
            session_id=self.session_id or self.target.lease_owner,
            complete=complete,
            created_at=self.now,
            reconcile=reconcile,
            lease_owner=self.target.lease_owner if leased else None,
            broken_paths=self.broken_paths,
            files=self.state.entries(),
        )

    @contextmanager
    def _released_on_failure(self, stored: StoredManifest, lease: Lease) -> Iterator[None]:
        """Releases the lease if the block fails. If the lease is lost, requests a reconcile instead: late requests may follow."""
        try:
            yield
        except BaseException as error:
            stopped = error if isinstance(error, PublishStopped) else None
            if isinstance(error, LeaseUnavailable) or (stopped is not None and not stopped.may_write_manifest):
                if self.state.changed:
                    manifest_store.request_reconcile(self.target)
            else:
                done = self.state
                uncertain = bool(done.in_doubt or done.unhealed) or done.live_before is None
                self._release(stored, lease, reconcile=stopped is None or uncertain or self.restored)
            raise

    def _release(self, stored: StoredManifest, lease: Lease, *, reconcile: bool) -> None:
        if not self.state.changed:
            # Nothing of this publish is live, and so its commit is not.
            before = stored.manifest or self._manifest(complete=False, reconcile=True)
            known = {} if stored.manifest is not None else {"commit": None, "session_id": None}
            manifest = before.model_copy(update={"lease_owner": None, **known})
        elif self.reverted_to is not None:
            done = self.state
            uncertain = self.reverted_to.reconcile or bool(done.in_doubt or done.missing or done.unhealed)
            now = {
                "lease_owner": None,
                "reconcile": uncertain,
                "files": done.entries(),
                "complete": not done.missing,
            }
            manifest = self.reverted_to.model_copy(update=now)
        else:
            manifest = self._manifest(complete=self.restored, reconcile=reconcile)
        try:
            # After an interruption the session's generation is the newer command's, but the claim is still ours.
            self.target.guard.verify(allow_superseded=True)
            lease.release(manifest.to_bytes())
        except (PublishError, PublishStopped, *AwsError) as error:
            self.target.log("the manifest could not be written", level="error", error=str(error))
