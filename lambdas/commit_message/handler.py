"""Entry point of the commit_message function, which is a task of the state machine."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.commit_message.compose import compose
from lambdas.common.platform_tables import commands
from lambdas.common.telemetry import about, logger, traced
from sitewright.contracts.base import Contract


class CommitMessageRequest(Contract):
    """The payload from the state machine."""

    client_id: str
    session_id: str
    command_id: str
    files_changed: list[str] = []
    files_changed_count: int = 0
    summary: str = ""
    repairs: int = 0
    """Number of the command's repairs so far."""


@traced
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Writes the message to the command's item, for the build step. Returns its subject, for the console.

    Raises LookupError (no such command).
    """
    request = CommitMessageRequest.model_validate(event)
    about(request)
    command = commands().read(request)
    if command is None:
        raise LookupError(f"there is no command {request.command_id!r} of session {request.session_id!r}")
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
    if not commands().set_commit_message(request, message):
        raise LookupError(f"the command {request.command_id!r} of session {request.session_id!r} was deleted")
    subject = message.split("\n", 1)[0]
    logger.info("composed", extra={"subject": subject})
    return {"subject": subject}
