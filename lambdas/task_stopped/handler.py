"""Entry point of the task_stopped function: ECS task state change, STOPPED."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from lambdas.common.aws_clients import TABLE_BACKOFF, client, table
from lambdas.common.settings import settings
from lambdas.task_stopped.diagnosis import Diagnosis, diagnose, request_of
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo, SfnError
from sitewright.contracts.records import SessionRecord
from sitewright.contracts.steps import TOKEN_GONE, StepRequest
from sitewright.retry import error_code, retry

logger = Logger()

ENDED = Diagnosis(
    SfnError.STOPPED,
    ErrorInfo.of(ErrorCode.WORKSPACE_CRASHED, "The workspace ended before it took the step."),
)


def end_claim(session_id: str, task_arn: str) -> SessionRecord | None:
    """Ends the claim if the stopped task still holds it; the session then, otherwise None.

    What the task was at stays on the item until its tokens are answered (`clear_claim`): a repetition of this event must
    find it again.
    """
    return _update(session_id, task_arn, "REMOVE aliveUntil", "workspaceId = :task")


def clear_claim(session_id: str, task_arn: str) -> None:
    """Removes what is left of an ended claim."""
    expression = "REMOVE workspaceId, claimGeneration, serving, mailbox"
    _update(session_id, task_arn, expression, "workspaceId = :task AND attribute_not_exists(aliveUntil)")


def _update(session_id: str, task_arn: str, expression: str, condition: str) -> SessionRecord | None:
    sessions = table(settings().need("SESSIONS_TABLE"))
    try:
        answer = retry(
            lambda: sessions.update_item(
                Key={"sessionId": session_id},
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeValues={":task": task_arn},
                ReturnValues="ALL_NEW",
            ),
            TABLE_BACKOFF,
        )
    except sessions.meta.client.exceptions.ConditionalCheckFailedException:
        return None
    return SessionRecord.from_item(answer["Attributes"])


def open_tokens(first: StepRequest, diagnosis: Diagnosis | None, held: SessionRecord | None) -> dict[str, Diagnosis]:
    """The tokens that a stopped workspace may have left open, with what to answer. Pure.

    `first` is the step its task was started for. The one it was at last, and the one that still lay in the mailbox, are
    known from the session if the workspace did not give its claim back.
    """
    tokens = {first.task_token: diagnosis} if diagnosis else {}
    if held is not None:
        if held.serving:
            tokens[held.serving.task_token] = diagnosis or ENDED
        if held.mailbox:
            # It was not touched: a fresh workspace does it, whatever ended this one.
            tokens[held.mailbox.task_token] = ENDED
    return tokens


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Releases the claim and, if the workspace did not end by itself, fails the steps it left open."""
    detail = event["detail"]
    task_arn = detail["taskArn"]
    request = request_of(detail)
    if request is None:
        logger.info("not a workspace of ours", extra={"taskArn": task_arn})
        return {"ignored": True}
    held = end_claim(request.session_id, task_arn)
    released = held is not None
    diagnosis = diagnose(detail)
    fields = {"taskArn": task_arn, "sessionId": request.session_id, "commandId": request.command_id}
    if held is not None and held.serving:
        fields |= {"commandId": held.serving.command_id, "step": held.serving.step.value}
    if diagnosis is None:
        logger.info("ended by itself", extra={**fields, "released": released})
    else:
        logger.warning(diagnosis.info.message, extra={**fields, "released": released, "error": diagnosis.error})
    for token, answer in open_tokens(request, diagnosis, held).items():
        _fail(token, answer)
    if released:
        clear_claim(request.session_id, task_arn)
    return {"released": released, "error": diagnosis.error.value if diagnosis else None}


def _fail(token: str, answer: Diagnosis) -> None:
    try:
        client("stepfunctions").send_task_failure(
            taskToken=token, error=answer.error.value, cause=answer.info.to_json()
        )
    except ClientError as error:
        if error_code(error) not in TOKEN_GONE:
            raise
