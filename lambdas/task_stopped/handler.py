"""Entry point of the task_stopped function: ECS task state change, STOPPED."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from lambdas.common.aws import client, error_code, patient, table
from lambdas.common.settings import settings
from lambdas.task_stopped.diagnosis import diagnose, request_of

logger = Logger()

TOKEN_DONE = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}
"""The step was answered, or its run is over: nothing left to fail."""


def release_claim(session_id: str, task_arn: str) -> bool:
    """Clears the session's claim if the stopped task still holds it."""
    sessions = table(settings().need("SESSIONS_TABLE"))
    try:
        patient(
            lambda: sessions.update_item(
                Key={"sessionId": session_id},
                UpdateExpression="REMOVE workspaceId, aliveUntil, claimGeneration",
                ConditionExpression="workspaceId = :task",
                ExpressionAttributeValues={":task": task_arn},
            )
        )
    except sessions.meta.client.exceptions.ConditionalCheckFailedException:
        return False
    return True


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Releases the claim and, if the workspace did not end by itself, fails the step it was at."""
    detail = event["detail"]
    task_arn = detail["taskArn"]
    request = request_of(detail)
    if request is None:
        logger.info("not a workspace of ours", extra={"taskArn": task_arn})
        return {"ignored": True}
    released = release_claim(request.session_id, task_arn)
    diagnosis = diagnose(detail)
    fields = {"taskArn": task_arn, "sessionId": request.session_id, "commandId": request.command_id}
    if diagnosis is None:
        logger.info("ended by itself", extra={**fields, "released": released})
        return {"released": released}
    logger.warning(diagnosis.info.message, extra={**fields, "released": released, "error": diagnosis.error})
    try:
        client("stepfunctions").send_task_failure(
            taskToken=request.task_token, error=diagnosis.error.value, cause=diagnosis.info.to_json()
        )
    except ClientError as error:
        if error_code(error) not in TOKEN_DONE:
            raise
    return {"released": released, "error": diagnosis.error.value}
