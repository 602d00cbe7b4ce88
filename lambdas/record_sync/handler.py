"""Entry point of the record_sync function, which is a task of the state machine after a publish."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.common.aws_clients import client, now_ms
from lambdas.common.platform_tables import commands, deployments
from lambdas.common.settings import settings
from lambdas.common.telemetry import about, logger, traced
from lambdas.record_sync.deployment_sync import DeploymentSync, SyncRequest
from sitewright.contracts.metrics import PUBLISHED
from sitewright.contracts.result_size import within
from sitewright.publishing.target import NoGuard, PublishTarget


@traced
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Compares the bucket with the manifest, and records the deployment."""
    request = SyncRequest.model_validate(event)
    about(request)
    result = DeploymentSync(_target(request), commands(), deployments()).run(request, now_ms())
    logger.info(
        PUBLISHED,
        extra={
            "uploaded": request.build.uploaded,
            "deleted": request.build.deleted,
            "drift": result.drift_count,
            "due": result.due,
            "files": result.files,
            "bytes": result.bytes,
        },
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
