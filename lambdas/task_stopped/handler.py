"""Entry point of the task_stopped function: ECS task state change, STOPPED."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from lambdas.common.aws_clients import client
from lambdas.common.measurements import send
from lambdas.common.platform_tables import sessions
from lambdas.common.telemetry import about, logger, traced
from lambdas.common.workspace_tasks import request_of
from lambdas.task_stopped.diagnosis import Diagnosis, diagnose
from lambdas.task_stopped.open_tokens import open_tokens
from lambdas.task_stopped.workspace_usage import billed, start_of
from sitewright.contracts.metrics import WORKSPACE_ENDED
from sitewright.contracts.steps import TOKEN_GONE
from sitewright.retry import error_code


@traced
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Ends the stopped workspace's claim and fails the steps that it left unanswered."""
    detail = event["detail"]
    task_arn = detail["taskArn"]
    request = request_of(detail)
    if request is None:
        logger.info("not a workspace of ours", extra={"taskArn": task_arn})
        return {"ignored": True}
    about(request)
    session = sessions().end_claim(request, task_arn)
    released = session is not None
    diagnosis = diagnose(detail)
    fields = {"taskArn": task_arn}
    if session is not None and session.serving:
        # The task was started for an earlier command than the one it served in the end.
        fields |= {"commandId": session.serving.command_id, "step": session.serving.step.value}
    if diagnosis is None:
        logger.info("ended by itself", extra={**fields, "released": released})
    else:
        logger.warning(diagnosis.info.message, extra={**fields, "released": released, "error": diagnosis.error})
    for token, failure in open_tokens(request, diagnosis, session).items():
        _fail(token, failure)
    if released:
        sessions().clear_claim(request, task_arn)
    # This comes last: the steps must fail, whatever the event's times are.
    logger.info(WORKSPACE_ENDED, extra={"taskArn": task_arn, **billed(detail)})
    send(start_of(detail))
    return {"released": released, "error": diagnosis.error.value if diagnosis else None}


def _fail(token: str, diagnosis: Diagnosis) -> None:
    try:
        client("stepfunctions").send_task_failure(
            taskToken=token, error=diagnosis.error.value, cause=diagnosis.info.to_json()
        )
    except ClientError as error:
        if error_code(error) not in TOKEN_GONE:
            raise
