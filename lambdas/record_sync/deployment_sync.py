"""Checks a site after a publish, records the deployment, and retires old ones."""

from dataclasses import dataclass

from sitewright.contracts.base import Contract
from sitewright.contracts.names import deployment_key
from sitewright.contracts.records import RECORD_TTL_DAYS, DeploymentRecord
from sitewright.contracts.steps import BuildResult, SyncResult
from sitewright.publishing.after_publish import retention
from sitewright.publishing.after_publish.drift import DriftReport
from sitewright.publishing.after_publish.manifest_check import check_manifest
from sitewright.publishing.target import PublishTarget
from sitewright.tables.commands import Commands
from sitewright.tables.deployments import Deployments

DRIFT_LISTED = 50
"""Maximum number of drifted keys in a record: an item is limited to 400 KB."""


class SyncRequest(Contract):
    """The payload from the state machine."""

    client_id: str
    session_id: str
    command_id: str
    site_bucket: str
    build: BuildResult


@dataclass(frozen=True)
class DeploymentSync:
    """One run of record_sync."""

    target: PublishTarget
    commands: Commands
    deployments: Deployments

    def run(self, request: SyncRequest, now: int) -> SyncResult:
        """Checks the manifest, writes the deployment's record and the command's `sync`, and retires old deployments.

        Raises LookupError (no such command), what `check_manifest` and `retention.delete_manifests` raise, botocore's exceptions.
        """
        newest_first = self.deployments.newest_first(request.client_id, page=retention.RECORDS_PER_QUERY)
        earlier = retention.not_retired(newest_first)
        report = check_manifest(self.target, request.build.deployment_id, retention.needed_since(earlier))
        deployment_id = request.build.deployment_id or report.manifest.deployment_id
        # This also runs after a skipped build: the live deployment's publish may have died before its own check.
        record = _record(request, deployment_id, report, now)
        is_new = self.deployments.put(record)
        if not is_new and report.drift:
            # The deployment's record belongs to another command or to a rollback, which made the live deployment.
            found = self.deployments.note_drift(
                request.client_id, deployment_id, report.drift[:DRIFT_LISTED], len(report.drift)
            )
            if not found:
                self.target.log("drift of a deployment without a record", level="warning", deployment=deployment_id)
        result = _result(deployment_id, report)
        if not self.commands.record_part(request, "sync", result):
            raise LookupError(f"there is no command {request.command_id!r} of session {request.session_id!r}")
        if is_new:
            # This comes last. If it fails, the check is recorded already, and the next run retires the deployments.
            self._retire(retention.to_retire(earlier, record), now)
        return result

    def _retire(self, records: list[DeploymentRecord], now: int) -> None:
        # The manifests are deleted first. After a crash in between, the next run finds the records again.
        retention.delete_manifests(self.target, records)
        for record in records:
            self.deployments.retire(record.client_id, record.deployment_id, now // 1000 + RECORD_TTL_DAYS * 86_400)


def _record(request: SyncRequest, deployment_id: str, report: DriftReport, now: int) -> DeploymentRecord:
    build = request.build
    return DeploymentRecord(
        client_id=request.client_id,
        deployment_id=deployment_id,
        session_id=request.session_id,
        command_id=request.command_id,
        commit=build.commit,
        created_at=now,
        deploy_success=build.deploy_success,
        files=report.files,
        bytes=report.bytes,
        uploaded=build.uploaded,
        deleted=build.deleted,
        unchanged=build.unchanged,
        drift=report.drift[:DRIFT_LISTED],
        drift_count=len(report.drift),
        lost=build.lost,
        lost_count=build.lost_count,
        pages_removed_count=build.pages_removed_count,
        broken_links=build.broken_links,
        expiring=report.expiring,
        due=report.due,
        manifest_key=deployment_key(request.client_id, deployment_id) if build.deploy_success else None,
    )


def _result(deployment_id: str, report: DriftReport) -> SyncResult:
    return SyncResult(
        deployment_id=deployment_id,
        files=report.files,
        bytes=report.bytes,
        drift=report.drift[:DRIFT_LISTED],
        drift_count=len(report.drift),
        expiring=report.expiring,
        due=report.due,
    )
