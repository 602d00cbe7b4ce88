"""What `sitewright deployments` and `sitewright rollback` do."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.cli.aws_access import Access
from sitewright.cli.deployment_history import CannotRollBack, History, Live, worth_listing
from sitewright.contracts.names import deployment_key
from sitewright.contracts.records import DeploymentRecord, SiteEntry
from sitewright.contracts.steps import LOST_LISTED
from sitewright.local.errors import Interrupted, LocalError
from sitewright.publishing import manifest_store, rollback
from sitewright.publishing.after_publish.retention import RECORDS_PER_QUERY, is_restorable
from sitewright.publishing.errors import LeaseUnavailable, NotRestorable, PublishError, RevertFailed, SiteState, shorten
from sitewright.publishing.manifest import LEASE_SECONDS
from sitewright.publishing.objects.invalidation import EVERYTHING, InvalidationFailed, invalidate
from sitewright.publishing.publish_result import PublishResult
from sitewright.publishing.site_files import StoredFile, stored_files
from sitewright.publishing.target import NoGuard, PublishTarget
from sitewright.retry import Backoff
from sitewright.tables.deployments import Deployments
from sitewright.tables.table import Table

Json = dict[str, Any]

SESSION = "rollback"
"""Stands for the session in a rollback's record."""

BACKOFF = Backoff(seconds=1.6, first=0.05, longest=0.8)
"""For requests to the deployments table, in addition to boto3's own retries."""


class NotDone(LocalError):
    """A request to AWS failed, or what was done could not be booked."""


def history(access: Access, client_id: str, *, with_id: str | None = None) -> History:
    """What was deployed, down to the oldest a rollback can go to, and the record of `with_id` however old it is.

    Raises NoSuchSite, botocore's exceptions.
    """
    site = access.site(client_id)
    deployments = _deployments(access, site)
    records = worth_listing(deployments.newest_first(client_id, page=RECORDS_PER_QUERY))
    if with_id is not None and all(record.deployment_id != with_id for record in records):
        found = deployments.read(client_id, with_id)
        records += [found] if found is not None else []
    return History(site, _live(_view(access, site)), records)


@dataclass(frozen=True)
class RolledBack:
    """A rollback that is done."""

    site: SiteEntry
    record: DeploymentRecord
    seconds: float

    def as_json(self) -> Json:
        """What `rollback --json` prints."""
        record = self.record
        return {
            "clientId": record.client_id,
            "deploymentId": record.deployment_id,
            "rolledBackTo": record.rolled_back_to,
            "commit": record.commit,
            "copied": record.uploaded,
            "deleted": record.deleted,
            "unchanged": record.unchanged,
            "seconds": round(self.seconds, 3),
            "siteUrl": self.site.site_url,
        }

    def __str__(self) -> str:
        record = self.record
        return (
            f"{record.client_id} is as {record.rolled_back_to} left it, by the deployment {record.deployment_id}: "
            f"{record.uploaded} files copied, {record.deleted} deleted, {record.unchanged} as they were, "
            f"{self.seconds:.1f} s"
        )


def roll_back(access: Access, client_id: str, to: str | None, say: Callable[[str], None]) -> RolledBack:
    """Makes the deployment `to`, or the last complete one before the live one, live again, and records it.

    Raises NoSuchSite, CannotRollBack, NotDone, Interrupted (Ctrl-C), botocore's exceptions.
    """
    began = time.monotonic()
    past = history(access, client_id, with_id=to)
    site = past.site
    if past.live is not None and past.live.publishing:
        raise CannotRollBack(
            f"Another publish is under way ({past.live.manifest.lease_owner}).",
            "Try again when it is over, in a minute at most if it died; `sitewright deployments` tells.",
        )
    target = past.chosen(to) if to is not None else past.previous()
    try:
        view = _view(access, site)
        manifest = manifest_store.read_deployment(view, target.deployment_id)
        small_objects = access.small_objects and access.small_objects()
        done = rollback.roll_back(replace(view, progress=say, small_objects=small_objects), manifest)
    except NotRestorable as error:
        raise CannotRollBack(
            f"{target.deployment_id} cannot be restored. {error}", f"{_site_is(error, past)} {past.where_to_look}"
        ) from error
    except KeyboardInterrupt as error:
        state, remedy = _left_behind(access, past, target)
        raise Interrupted(f"Interrupted: {state}.", remedy) from error
    except RevertFailed as error:
        raise NotDone(f"The rollback broke off: {str(error).rstrip('.')}.", _ways_on(past, error.before)) from error
    except LeaseUnavailable as error:
        raise NotDone(f"The rollback broke off: {error}", "Repeat it when the other one is done.") from error
    except PublishError as error:
        state, remedy = _left_behind(access, past, target)
        raise NotDone(f"The rollback broke off: {str(error).rstrip('.')}; {state}.", remedy) from error
    if past.live is not None and done.deployment_id == past.live.id:
        raise CannotRollBack(
            f"What {target.deployment_id} left is live already, and nobody changed it: there is nothing to do.",
            f"Choose an older one with --to. {past.where_to_look}",
        )
    record = _record(site, target, stored_files(manifest), done)
    try:
        _deployments(access, site).put(record)
    except (BotoCoreError, ClientError) as error:
        raise NotDone(
            f"The site is as {target.deployment_id} left it, but that could not be recorded: {error}.",
            f"It is live as {record.deployment_id}; `sitewright deployments` will not list it.",
        ) from error
    _invalidate(access, record, site)
    return RolledBack(site, record, time.monotonic() - began)


def _site_is(error: NotRestorable, past: History) -> str:
    missing = shorten(error.missing)
    if error.site_state is SiteState.UNCHANGED:
        return "Nothing was changed."
    if error.site_state is SiteState.REVERTED:
        but = f", but for what is not stored any more ({missing}); a publish that has it sends it" if missing else ""
        return f"The site is again as {error.before} left it{but}."
    half = "The site is half restored: what was live before"
    if missing:
        return f"{half} is not stored as a whole any more either ({missing}). Send a message: its publish completes the site."
    return f"{half} was no whole deployment either. {_ways_on(past, None)}"


def _ways_on(past: History, before: str | None) -> str:
    there = any(record.deployment_id == before and is_restorable(record) for record in past.records)
    goal = f"`--to {before}`" if there else "`--to` and another deployment"
    return f"Go back with {goal}, or send a message: either completes the site."


def _left_behind(access: Access, past: History, target: DeploymentRecord) -> tuple[str, str]:
    """What a rollback that ended halfway has made of the site, and what to do. For a sentence each."""
    again, now = f"--to {target.deployment_id}", None
    with contextlib.suppress(NotDone, KeyboardInterrupt):
        now = _live(_view(access, past.site))
    if now is not None and past.live is not None and now.manifest == past.live.manifest:
        return "nothing was changed", f"Repeat it with `{again}`."
    if now is not None and now.manifest.complete and not now.publishing and now.manifest.commit == target.commit:
        if not now.manifest.reconcile:
            return (
                "the site is restored, but not recorded",
                f"It is live as {now.id}, which `deployments` does not list.",
            )
        return (
            "the site is restored, but was not compared with the bucket, and is not recorded",
            f"Repeat it with `{again}`, which does both.",
        )
    before = past.live.id if past.live else None
    return "the site may be half restored", f"Repeat it with `{again}`. {_ways_on(past, before)}"


def _invalidate(access: Access, record: DeploymentRecord, site: SiteEntry) -> None:
    """Invalidates all copies in CloudFront: a wildcard is one path. Raises NotDone."""
    if access.cloudfront is None:
        return
    try:
        invalidate(site.distribution_id, record.deployment_id, EVERYTHING, access.cloudfront)
    except InvalidationFailed as error:
        raise NotDone(
            f"{record.rolled_back_to} is restored, but CloudFront may still serve newer copies: {error}.",
            f"Invalidate /* of the distribution {site.distribution_id}.",
        ) from error


def _record(
    site: SiteEntry, target: DeploymentRecord, files: Sequence[StoredFile], done: PublishResult
) -> DeploymentRecord:
    return DeploymentRecord(
        client_id=site.client_id,
        deployment_id=done.deployment_id,
        session_id=SESSION,
        command_id=f"rollback-to-{target.deployment_id}",
        commit=target.commit,
        created_at=time.time_ns() // 1_000_000,
        deploy_success=True,
        files=len(files),
        bytes=sum(file.size for file in files),
        uploaded=done.uploaded,
        deleted=done.deleted,
        unchanged=done.unchanged,
        lost=list(done.lost[:LOST_LISTED]),
        lost_count=len(done.lost),
        rolled_back_to=target.deployment_id,
        manifest_key=deployment_key(site.client_id, done.deployment_id),
    )


def as_json(past: History) -> Json:
    """What `deployments --json` prints."""
    live = past.live
    return {
        "clientId": past.site.client_id,
        "siteUrl": past.site.site_url,
        "live": live
        and {
            "deploymentId": live.id,
            "commit": live.manifest.commit,
            "complete": live.manifest.complete,
            "reconcile": live.manifest.reconcile,
            "publishing": live.manifest.lease_owner if live.publishing else None,
        },
        "deployments": [
            {
                **record.model_dump(mode="json", by_alias=True, exclude={"client_id", "manifest_key", "ttl"}),
                "live": past.is_live(record),
                "rollbackTarget": past.is_target(record),
            }
            for record in past.records
        ],
    }


def _deployments(access: Access, site: SiteEntry) -> Deployments:
    return Deployments(Table(access.dynamodb, site.deployments_table, BACKOFF))


def _live(view: PublishTarget) -> Live | None:
    try:
        seen = manifest_store.read(view)
    except PublishError as error:
        raise NotDone(f"The site's manifest cannot be read: {error}.", "Try again; check your rights.") from error
    if seen.manifest is None:
        return None
    return Live(seen.manifest, publishing=seen.manifest.lease_owner is not None and seen.age < LEASE_SECONDS)


def _view(access: Access, site: SiteEntry) -> PublishTarget:
    """The site for reading its manifest_store."""
    return PublishTarget(
        access.s3, site.bucket, site.artifacts_bucket, site.client_id, SESSION, NoGuard(), _quiet, _quiet
    )


def _quiet(*_: object, **__: object) -> None:
    """What the publish tells its log is told by the outcome here."""
