"""Entry point of the respond function: execution status changes, commands that never started, and the sweep."""

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from lambdas.common.aws_clients import client, now_ms, table
from lambdas.common.settings import settings
from lambdas.respond.responder import Responder
from sitewright.contracts.events import CommandNotStarted
from sitewright.contracts.names import EVENT_SOURCE
from sitewright.contracts.steps import ExecutionInput

logger = Logger()


@cache
def _responder() -> Responder:
    values = settings()
    return Responder(
        sessions=table(values.need("SESSIONS_TABLE")),
        commands=table(values.need("COMMANDS_TABLE")),
        sqs=client("sqs"),
        sfn=client("stepfunctions"),
        queue_url=values.need("RESPONSE_QUEUE_URL"),
        now=now_ms,
        log=lambda message, **fields: logger.info(message, extra=fields),
    )


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Sends what is due. Raises what should make Lambda try again."""
    source, detail = event.get("source"), event.get("detail") or {}
    if source == EVENT_SOURCE:
        _responder().not_started(CommandNotStarted.model_validate(detail))
    elif source == "aws.states":
        if not detail.get("input"):
            # Too large inputs are left out of the event; ours are small, so this is a run somebody started by hand.
            logger.warning("a run without an input", extra={"executionArn": detail.get("executionArn")})
            return {}
        # The event's status is final; DescribeExecution is eventually consistent and may still say RUNNING.
        # It is asked only for what an event may leave out.
        error, cause = detail.get("error"), detail.get("cause")
        if detail["status"] != "SUCCEEDED" and error is None:
            run = client("stepfunctions").describe_execution(executionArn=detail["executionArn"])
            error, cause = run.get("error"), run.get("cause")
        try:
            request = ExecutionInput.model_validate_json(detail["input"])
        except ValidationError:
            # No retry would help; the sweep answers the command, if there is one.
            logger.warning("a run with an input of its own", extra={"executionArn": detail.get("executionArn")})
            return {}
        _responder().run_ended(request.session_id, request.command_id, detail["status"], error, cause)
    else:
        return {"answered": _responder().sweep()}
    return {}
