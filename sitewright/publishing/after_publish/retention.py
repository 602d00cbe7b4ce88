"""Decides which deployments are kept for a rollback, and deletes the manifests of the others.

Without retention every publish would leave a manifest behind forever.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sitewright.contracts.expiry import DEPLOYMENTS_KEPT
from sitewright.contracts.names import deployment_key
from sitewright.contracts.records import DeploymentRecord
from sitewright.publishing.errors import PublishError
from sitewright.publishing.objects.s3_retry import retry_s3
from sitewright.publishing.site_files import DELETE_BATCH
from sitewright.publishing.target import PublishTarget
from sitewright.retry import AwsError

RECORDS_PER_QUERY = DEPLOYMENTS_KEPT + 10
"""Covers the kept records, the record to retire, and a few failed ones in between."""


def is_restorable(record: DeploymentRecord) -> bool:
    """Tells whether a rollback can restore the deployment: it succeeded, and its manifest is kept."""
    return record.deploy_success and record.manifest_key is not None


def not_retired(newest_first: Iterable[DeploymentRecord]) -> list[DeploymentRecord]:
    """Returns the records down to the first retired one. The oldest retire first, so all further ones are retired too."""
    found: list[DeploymentRecord] = []
    for record in newest_first:
        found.append(record)
        if record.ttl is not None:
            break
    return found


def to_retire(records: Sequence[DeploymentRecord], written: DeploymentRecord) -> list[DeploymentRecord]:
    """Returns the records to retire, oldest first: those older than the oldest kept deployment that are not retired yet.

    Only restorable deployments count for DEPLOYMENTS_KEPT: a failed one takes no other's place.

    Args:
        records: from `not_retired`, read before the new record was written.
        written: the new record; newer ones may have been written before it.
    """
    known = {record.deployment_id: record for record in records} | {written.deployment_id: written}
    kept = 0
    old: list[DeploymentRecord] = []
    for _, record in sorted(known.items(), reverse=True):
        if kept < DEPLOYMENTS_KEPT:
            kept += is_restorable(record)
        elif record.ttl is None:
            old.append(record)
    return old[::-1]


def needed_since(records: Iterable[DeploymentRecord]) -> int | None:
    """Returns when the oldest kept deployment was recorded (ms); None while fewer than DEPLOYMENTS_KEPT are restorable."""
    kept = [record.created_at for record in records if is_restorable(record)][:DEPLOYMENTS_KEPT]
    return kept[-1] if len(kept) == DEPLOYMENTS_KEPT else None


def delete_manifests(target: PublishTarget, records: Sequence[DeploymentRecord]) -> None:
    """Deletes the deployments' own manifests. Raises PublishError."""
    keys = [deployment_key(record.client_id, record.deployment_id) for record in records]
    for start in range(0, len(keys), DELETE_BATCH):
        _delete(target, keys[start : start + DELETE_BATCH])


def _delete(target: PublishTarget, keys: list[str]) -> None:
    bucket = target.artifacts_bucket
    batch: Any = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
    try:
        answer = retry_s3(lambda: target.s3.delete_objects(Bucket=bucket, Delete=batch), target.guard.check_stop)
    except AwsError as error:
        raise PublishError.of(bucket, keys[0], error) from error
    for refused in answer.get("Errors", []):
        text = f"manifests of old deployments in {bucket} cannot be deleted: {refused}"
        raise PublishError(bucket, refused.get("Key", ""), refused.get("Code", ""), text)
