"""Carries out `sitewright rollback`: restores a deployment, records the rollback, and invalidates CloudFront."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.cli.aws_access import Access
from sitewright.cli.deployment_history import CannotRollBack, History
from sitewright.cli.deployment_lookup import NotDone, deployments, publish_target, read_history, read_live
from sitewright.cli.rollback_failures import site_after_failure, site_after_refusal, ways_to_repair
from sitewright.contracts.names import deployment_key
from sitewright.contracts.records import DeploymentRecord, SiteEntry
from sitewright.contracts.steps import LOST_LISTED
from sitewright.local.errors import Interrupted
from sitewright.publishing import manifest_store, rollback
from sitewright.publishing.errors import LeaseUnavailable, NotRestorable, PublishError, RevertFailed
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.objects.invalidation import EVERYTHING, InvalidationFailed, invalidate
from sitewright.publishing.publish_result import PublishResult
from sitewright.publishing.site_files import StoredFile, stored_files

SESSION = "rollback"
"""The session id in a rollback's record."""


@dataclass(frozen=True)
class RolledBack:
    """A finished rollback."""

    site: SiteEntry
    record: DeploymentRecord
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Returns the output of `rollback --json`."""
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


def roll_back(access: Access, client_id: str, to: str | None, progress: Callable[[str], None]) -> RolledBack:
    """Restores the deployment `to`, or else the last complete one before the live one, and records the rollback.

    Raises NoSuchSite, CannotRollBack, NotDone, Interrupted (Ctrl-C), botocore's exceptions.
    """
    began = time.monotonic()
    past = read_history(access, client_id, with_id=to)
    if past.live is not None and past.live.publishing:
        raise CannotRollBack(
            f"Another publish is under way ({past.live.manifest.lease_owner}).",
            "Try again when it is over, in a minute at most if it died; `sitewright deployments` tells.",
        )
    target = past.chosen(to) if to is not None else past.previous()
    manifest, result = _restore(access, past, target, progress)
    if past.live is not None and result.deployment_id == past.live.id:
        raise CannotRollBack(
            f"What {target.deployment_id} left is live already, and nobody changed it: there is nothing to do.",
            f"Choose an older one with --to. {past.list_hint}",
        )
    record = _record(past.site, target, stored_files(manifest), result)
    try:
        recorded = deployments(access, past.site).put(record)
    except (BotoCoreError, ClientError) as error:
        raise NotDone(
            f"The site is as {target.deployment_id} left it, but that could not be recorded: {error}.",
            f"It is live as {record.deployment_id}; `sitewright deployments` will not list it.",
        ) from error
    if not recorded:
        raise NotDone(
            f"The site is as {target.deployment_id} left it, but {record.deployment_id} is recorded for another command.",
            f"It is live as {record.deployment_id}; `sitewright deployments` shows the other command's record.",
        )
    _invalidate(access, record, past.site)
    return RolledBack(past.site, record, time.monotonic() - began)


def _restore(
    access: Access, past: History, record: DeploymentRecord, progress: Callable[[str], None]
) -> tuple[Manifest, PublishResult]:
    """Copies the deployment's versions back. Raises CannotRollBack, NotDone, Interrupted."""
    try:
        target = publish_target(access, past.site)
        manifest = manifest_store.read_deployment(target, record.deployment_id)
        small_objects = access.small_objects and access.small_objects()
        return manifest, rollback.roll_back(replace(target, progress=progress, small_objects=small_objects), manifest)
    except NotRestorable as error:
        raise CannotRollBack(
            f"{record.deployment_id} cannot be restored. {error}", f"{site_after_refusal(error, past)} {past.list_hint}"
        ) from error
    except KeyboardInterrupt as error:
        state, remedy = _site_now(access, past, record)
        raise Interrupted(f"Interrupted: {state}.", remedy) from error
    except RevertFailed as error:
        remedy = ways_to_repair(past, error.before)
        raise NotDone(f"The rollback broke off: {str(error).rstrip('.')}.", remedy) from error
    except LeaseUnavailable as error:
        raise NotDone(f"The rollback broke off: {error}", "Repeat it when the other one is done.") from error
    except PublishError as error:
        state, remedy = _site_now(access, past, record)
        raise NotDone(f"The rollback broke off: {str(error).rstrip('.')}; {state}.", remedy) from error


def _site_now(access: Access, past: History, record: DeploymentRecord) -> tuple[str, str]:
    now = None
    with contextlib.suppress(NotDone, KeyboardInterrupt):
        now = read_live(access, past.site)
    return site_after_failure(past, now, record)


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
    site: SiteEntry, restored: DeploymentRecord, files: Sequence[StoredFile], result: PublishResult
) -> DeploymentRecord:
    return DeploymentRecord(
        client_id=site.client_id,
        deployment_id=result.deployment_id,
        session_id=SESSION,
        command_id=f"rollback-to-{restored.deployment_id}",
        commit=restored.commit,
        created_at=time.time_ns() // 1_000_000,
        deploy_success=True,
        files=len(files),
        bytes=sum(file.size for file in files),
        uploaded=result.uploaded,
        deleted=result.deleted,
        unchanged=result.unchanged,
        lost=list(result.lost[:LOST_LISTED]),
        lost_count=len(result.lost),
        rolled_back_to=restored.deployment_id,
        manifest_key=deployment_key(site.client_id, result.deployment_id),
    )
