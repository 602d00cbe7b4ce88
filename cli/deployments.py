"""What `sitewright deployments` and `sitewright rollback` do."""

import time
from collections.abc import Iterator
from typing import Any

from boto3.dynamodb.conditions import Key

from cli.access import Access
from cli.history import History, Live, worth_listing
from contracts.manifest import DEPLOYMENTS_KEPT, LEASE_SECONDS, Manifest
from contracts.names import manifest_key
from contracts.records import DeploymentRecord, SiteEntry

Json = dict[str, Any]
PAGE = DEPLOYMENTS_KEPT + 10
"""Records of one Query."""


def history(access: Access, client_id: str, *, with_id: str | None = None) -> History:
    """What was deployed, down to the oldest a rollback can go to, and the record of `with_id` however old it is.

    Raises NoSuchSite, botocore's exceptions.
    """
    site = access.site(client_id)
    records = worth_listing(_newest_first(access, site))
    if with_id is not None and all(record.deployment_id != with_id for record in records):
        key = {"clientId": client_id, "deploymentId": with_id}
        found = access.dynamodb.Table(site.deployments_table).get_item(Key=key, ConsistentRead=True).get("Item")
        records += [DeploymentRecord.from_item(dict(found))] if found else []
    return History(site, _live(access, site), records)


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
            "publishing": live.manifest.holder if live.publishing else None,
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


def _newest_first(access: Access, site: SiteEntry) -> Iterator[DeploymentRecord]:
    table = access.dynamodb.Table(site.deployments_table)
    start: Json = {}
    while True:
        answer = table.query(
            KeyConditionExpression=Key("clientId").eq(site.client_id),
            ScanIndexForward=False,
            Limit=PAGE,
            ConsistentRead=True,
            **start,
        )
        yield from (DeploymentRecord.from_item(dict(item)) for item in answer["Items"])
        if "LastEvaluatedKey" not in answer:
            return
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _live(access: Access, site: SiteEntry) -> Live | None:
    try:
        found = access.s3.get_object(Bucket=site.artifacts_bucket, Key=manifest_key(site.client_id))
    except access.s3.exceptions.NoSuchKey:
        return None
    manifest = Manifest.from_bytes(found["Body"].read())
    held_for = time.time() - found["LastModified"].timestamp()
    return Live(manifest, publishing=manifest.holder is not None and held_for < LEASE_SECONDS)
