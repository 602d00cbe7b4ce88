"""Entry point of the record_sync function, which is a task of the state machine after a publish."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.common.aws_clients import client, now_ms
from lambdas.common.platform_tables import commands, deployments
from lambdas.common.settings import settings
from lambdas.record_sync.deployment_sync import DeploymentSync, SyncRequest
from sitewright.contracts.names import METRICS_NAMESPACE
from sitewright.contracts.result_size import within
from sitewright.contracts.steps import SyncResult
from sitewright.publishing.target import NoGuard, PublishTarget

logger = Logger()
metrics = Metrics(namespace=METRICS_NAMESPACE)


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Compares the bucket with the manifest, records the deployment, and emits metrics."""
    request = SyncRequest.model_validate(event)
    result = DeploymentSync(_target(request), commands(), deployments()).run(request, now_ms())
    _count(request, result)
    logger.info(
        "deployment recorded",
        extra={"clientId": request.client_id, "drift": result.drift_count, "due": result.due},
    )
    answer: dict[str, Any] = within(result).model_dump(mode="json", by_alias=True)
    return answer


def _target(request: SyncRequest) -> PublishTarget:
    return PublishTarget(
        s3=client("s3"),
        bucket=request.site_bucket,
        artifacts_bucket=settings().need("ARTIFACTS_BUCKET"),
        client_id=request.client_id,
        lease_owner="",  # It never takes the lease.
        guard=NoGuard(),
        log=_log,
        progress=lambda _: None,
    )


def _log(message: str, *, level: str = "info", **values: Any) -> None:
    (logger.warning if level == "warning" else logger.info)(message, extra=values)


def _count(request: SyncRequest, result: SyncResult) -> None:
    metrics.add_dimension(name="clientId", value=request.client_id)
    for name, value, unit in (
        ("FilesUploaded", request.build.uploaded, MetricUnit.Count),
        ("FilesDeleted", request.build.deleted, MetricUnit.Count),
        ("Drift", result.drift_count, MetricUnit.Count),
        ("SiteFiles", result.files, MetricUnit.Count),
        ("SiteBytes", result.bytes, MetricUnit.Bytes),
    ):
        metrics.add_metric(name=name, unit=unit, value=value)
