"""Entry point of the record_sync function: a task of the state machine, after a publish."""

from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from lambdas.common.aws_clients import TABLE_BACKOFF, client, now_ms, table
from lambdas.common.settings import settings
from lambdas.record_sync import retention
from lambdas.record_sync.drift import Books, check
from sitewright.contracts.base import Contract
from sitewright.contracts.names import METRICS_NAMESPACE, deployment_key, manifest_key
from sitewright.contracts.records import DeploymentRecord
from sitewright.contracts.steps import BuildResult, SyncResult
from sitewright.publishing.manifest import Manifest
from sitewright.retry import error_code, retry

logger = Logger()
metrics = Metrics(namespace=METRICS_NAMESPACE)
DRIFT_LISTED = 50
ATTEMPTS = 3


class Request(Contract):
    """What the state machine passes."""

    session_id: str
    command_id: str
    client_id: str
    site_bucket: str
    build: BuildResult


class ManifestChangedError(Exception):
    """Another publish wrote the manifest meanwhile, three times in a row."""


class NoManifestError(Exception):
    """A site that was published has no manifest. The text says what to do."""


def list_bucket(bucket: str) -> dict[str, tuple[str, int]]:
    """Key → (ETag without quotes, size) of every object."""
    pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {o["Key"]: (o["ETag"].strip('"'), int(o["Size"])) for page in pages for o in page.get("Contents", [])}


def get_manifest(artifacts: str, key: str) -> Any:
    """The answer of GetObject. Raises NoManifestError."""
    try:
        return client("s3").get_object(Bucket=artifacts, Key=key)
    except ClientError as error:
        # Whoever may not list a bucket gets 403 for a key that is not there (S3 API reference, GetObject, "Permissions").
        if error_code(error) not in {"NoSuchKey", "AccessDenied"}:
            raise
        raise NoManifestError(
            f"s3://{artifacts}/{key} is not there, or record_sync may not read it ({error_code(error)}). "
            "The next publish lists the bucket and writes a new one."
        ) from error


def keep(client_id: str, bucket: str, deployment_id: str | None, needed_since: int | None) -> Books:
    """Checks the bucket against the manifest and writes the manifest back, if it is still that deployment's.

    A publish books itself with `reconcile` before it touches the bucket, for the case that it dies halfway, and holds the
    manifest until it ends. To take that mark off while it runs would make the next publish believe wrong books, and to
    write at all would take the manifest from under it. So one that somebody holds, or of another deployment, is left
    alone, and nothing is judged by it: the bucket is half of each, and that deployment has a check of its own. Between
    reading and writing the ETag guards (S3 User Guide, "Preventing object overwrites with conditional writes").
    Raises NoManifestError, ManifestChangedError.
    """
    s3, artifacts, key = client("s3"), settings().need("ARTIFACTS_BUCKET"), manifest_key(client_id)
    for _ in range(ATTEMPTS):
        found = get_manifest(artifacts, key)
        manifest = Manifest.from_bytes(found["Body"].read())
        books = check(manifest, list_bucket(bucket), needed_since)
        if manifest.lease_owner is not None or (deployment_id and manifest.deployment_id != deployment_id):
            logger.warning(
                "another publish took over",
                extra={"checked": deployment_id, "now": manifest.deployment_id, "leaseOwner": manifest.lease_owner},
            )
            return replace(books, manifest=manifest, drift=[], **_own_size(client_id, deployment_id))
        if books.manifest == manifest:
            return books
        try:
            s3.put_object(
                Bucket=artifacts,
                Key=key,
                Body=books.manifest.to_bytes(),
                ContentType="application/gzip",
                IfMatch=found["ETag"],
            )
        except ClientError as error:
            if error_code(error) not in {"PreconditionFailed", "ConditionalRequestConflict"}:
                raise
        else:
            return books
    raise ManifestChangedError(f"the manifest of {client_id} changed {ATTEMPTS} times under the check")


def _own_size(client_id: str, deployment_id: str | None) -> dict[str, int]:
    """Files and bytes of a deployment by its own manifest, where the bucket is another's already; empty without one."""
    try:
        key = deployment_key(client_id, deployment_id or "")
        own = Manifest.from_bytes(get_manifest(settings().need("ARTIFACTS_BUCKET"), key)["Body"].read())
    except NoManifestError:
        return {}
    return {"files": len(own.files), "bytes": sum(entry.size for entry in own.files.values())}


def write_record(request: Request, deployment_id: str, books: Books, now: int) -> DeploymentRecord | None:
    """Puts the deployment's record; a repetition puts the same again. None if the record is another command's.

    A publish that found nothing to change is the deployment that is live already, which may be a rollback's.
    """
    build = request.build
    record = DeploymentRecord(
        client_id=request.client_id,
        deployment_id=deployment_id,
        session_id=request.session_id,
        command_id=request.command_id,
        commit=build.commit,
        created_at=now,
        deploy_success=build.deploy_success,
        files=books.files,
        bytes=books.bytes,
        uploaded=build.uploaded,
        deleted=build.deleted,
        unchanged=build.unchanged,
        drift=books.drift[:DRIFT_LISTED],
        drift_count=len(books.drift),
        lost=build.lost,
        lost_count=build.lost_count,
        expiring=books.expiring,
        due=books.due,
        manifest_key=deployment_key(request.client_id, deployment_id) if build.deploy_success else None,
    )
    try:
        table(settings().need("DEPLOYMENTS_TABLE")).put_item(
            Item=record.to_item(),
            ConditionExpression="attribute_not_exists(deploymentId) OR (sessionId = :session AND commandId = :command)",
            ExpressionAttributeValues={":session": request.session_id, ":command": request.command_id},
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return None
    return record


def note_drift(client_id: str, deployment_id: str, books: Books) -> None:
    """Who made no deployment has no record: what the check found belongs to the one that is live, if that has one."""
    if not books.drift:
        return
    try:
        table(settings().need("DEPLOYMENTS_TABLE")).update_item(
            Key={"clientId": client_id, "deploymentId": deployment_id},
            UpdateExpression="SET drift = :keys, driftCount = :count",
            ConditionExpression="attribute_exists(deploymentId)",
            ExpressionAttributeValues={":keys": books.drift[:DRIFT_LISTED], ":count": len(books.drift)},
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        logger.warning("drift of a deployment without a record", extra={"deployment": deployment_id})


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Checks, records the deployment, notes the result on the command, counts."""
    request = Request.model_validate(event)
    build, now = request.build, now_ms()
    deployments = table(settings().need("DEPLOYMENTS_TABLE"))
    earlier = retention.read(deployments, request.client_id)
    books = keep(request.client_id, request.site_bucket, build.deployment_id, retention.needed_since(earlier))
    deployment_id = build.deployment_id or books.manifest.deployment_id
    # Also of a build that was skipped: the publish it found live may have died before its own check.
    record = write_record(request, deployment_id, books, now)
    if record is None:
        note_drift(request.client_id, deployment_id, books)
    result = SyncResult(
        deployment_id=deployment_id,
        files=books.files,
        bytes=books.bytes,
        drift=books.drift[:DRIFT_LISTED],
        drift_count=len(books.drift),
        expiring=books.expiring,
        due=books.due,
    )
    commands = table(settings().need("COMMANDS_TABLE"))
    retry(
        lambda: commands.update_item(
            Key={"sessionId": request.session_id, "commandId": request.command_id},
            UpdateExpression="SET #sync = :sync",
            ConditionExpression="attribute_exists(commandId)",
            ExpressionAttributeNames={"#sync": "sync"},
            ExpressionAttributeValues={":sync": result.to_item()},
        ),
        TABLE_BACKOFF,
    )
    # Last: should it fail, the check has been noted and the next publish makes up for it.
    if record is not None:
        old = retention.beyond(earlier, record)
        retention.retire(deployments, client("s3"), settings().need("ARTIFACTS_BUCKET"), old, now)
    metrics.add_dimension(name="clientId", value=request.client_id)
    for name, value, unit in (
        ("FilesUploaded", build.uploaded, MetricUnit.Count),
        ("FilesDeleted", build.deleted, MetricUnit.Count),
        ("Drift", len(books.drift), MetricUnit.Count),
        ("SiteFiles", books.files, MetricUnit.Count),
        ("SiteBytes", books.bytes, MetricUnit.Bytes),
    ):
        metrics.add_metric(name=name, unit=unit, value=value)
    logger.info("books kept", extra={"clientId": request.client_id, "drift": len(books.drift), "due": books.due})
    answer: dict[str, Any] = result.model_dump(mode="json", by_alias=True)
    return answer
