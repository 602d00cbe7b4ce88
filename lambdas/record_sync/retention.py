"""Which deployments a rollback can go to, and the end of those that are too old for it.

Without an end every publish would leave a manifest behind for good.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from sitewright.contracts.expiry import DEPLOYMENTS_KEPT
from sitewright.contracts.names import deployment_key
from sitewright.contracts.records import RECORD_TTL_DAYS, DeploymentRecord
from sitewright.retry import error_code

PAGE = DEPLOYMENTS_KEPT + 10
"""Records of one Query: those that stay, the one that goes, and a few failed ones in between."""

_DELETE_BATCH = 1000
"""DeleteObjects takes that many keys at most (S3 API reference)."""


def beyond(records: Sequence[DeploymentRecord], written: DeploymentRecord) -> list[DeploymentRecord]:
    """The records that have to go, oldest first: older than the oldest complete deployment that is kept, and not yet gone.

    Only complete deployments count: nobody can go back to a failed one, so it takes no other's place.

    Args:
        records: what `read` found.
        written: the record that was written just now; it may have come late, after newer ones.
    """
    known = {record.deployment_id: record for record in records} | {written.deployment_id: written}
    kept = 0
    old: list[DeploymentRecord] = []
    for _, record in sorted(known.items(), reverse=True):
        if kept < DEPLOYMENTS_KEPT:
            kept += is_complete(record)
        elif record.ttl is None:
            old.append(record)
    return old[::-1]


def needed_since(records: Iterable[DeploymentRecord]) -> int | None:
    """When the oldest deployment that is kept was recorded (ms); None while none has to go yet."""
    complete = [record.created_at for record in records if is_complete(record)][:DEPLOYMENTS_KEPT]
    return complete[-1] if len(complete) == DEPLOYMENTS_KEPT else None


def is_complete(record: DeploymentRecord) -> bool:
    """Whether a rollback can go there."""
    return record.deploy_success and record.manifest_key is not None


def read(table: Any, client_id: str) -> list[DeploymentRecord]:
    """The client's records, newest first, to the first one that is gone: the oldest go first, so all behind are gone too."""
    found: list[DeploymentRecord] = []
    start: dict[str, Any] = {}
    while True:
        answer = table.query(
            KeyConditionExpression=Key("clientId").eq(client_id),
            ScanIndexForward=False,
            Limit=PAGE,
            ConsistentRead=True,
            **start,
        )
        for record in map(DeploymentRecord.from_item, answer["Items"]):
            found.append(record)
            if record.ttl is not None:
                return found
        if "LastEvaluatedKey" not in answer:
            return found
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def retire(table: Any, s3: Any, artifacts: str, old: list[DeploymentRecord], now: int) -> None:
    """Deletes the manifests, then has the records end: after a crash in between, the next publish finds the records again.

    Raises ClientError, RuntimeError (a manifest cannot be deleted).
    """
    keys = [deployment_key(record.client_id, record.deployment_id) for record in old]
    for start in range(0, len(keys), _DELETE_BATCH):
        batch = [{"Key": key} for key in keys[start : start + _DELETE_BATCH]]
        answer = s3.delete_objects(Bucket=artifacts, Delete={"Objects": batch, "Quiet": True})
        if answer.get("Errors"):
            raise RuntimeError(f"manifests of old deployments in {artifacts} cannot be deleted: {answer['Errors'][0]}")
    for record in old:
        try:
            table.update_item(
                Key={"clientId": record.client_id, "deploymentId": record.deployment_id},
                UpdateExpression="SET #ttl = :ttl REMOVE manifestKey",
                ConditionExpression=Attr("deploymentId").exists(),
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={":ttl": now // 1000 + RECORD_TTL_DAYS * 86_400},
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
