"""Entry point of the commit_message function: a task of the state machine."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.commit_message.compose import compose
from lambdas.common.aws_clients import TABLE_BACKOFF, table
from lambdas.common.settings import settings
from sitewright.contracts.base import Contract
from sitewright.contracts.records import CommandRecord
from sitewright.retry import retry

logger = Logger()


class Request(Contract):
    """What the state machine passes."""

    session_id: str
    command_id: str
    client_id: str
    files_changed: list[str] = []
    files_changed_count: int = 0
    summary: str = ""
    repairs: int = 0
    """How often the build was given back to the agent so far."""


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Composes the message, keeps it on the command for the build step, and returns it for the console."""
    request = Request.model_validate(event)
    commands = table(settings().need("COMMANDS_TABLE"))
    key = {"sessionId": request.session_id, "commandId": request.command_id}
    item = commands.get_item(Key=key, ConsistentRead=True).get("Item")
    if item is None:
        raise LookupError(f"there is no command {request.command_id!r} of session {request.session_id!r}")
    command = CommandRecord.from_item(item)
    message = compose(
        instruction=command.instruction or "",
        summary=request.summary,
        files=request.files_changed,
        files_count=request.files_changed_count,
        session_id=request.session_id,
        command_id=request.command_id,
        accepted_at=command.accepted_at,
        repairs=request.repairs,
    )
    retry(
        lambda: commands.update_item(
            Key=key,
            UpdateExpression="SET commitMessage = :message",
            ConditionExpression="attribute_exists(commandId)",
            ExpressionAttributeValues={":message": message},
        ),
        TABLE_BACKOFF,
    )
    subject = message.split("\n", 1)[0]
    logger.info("composed", extra={**key, "subject": subject})
    return {"subject": subject, "message": message}
