"""Entry point of the respond function: handles ended runs, saved work, commands without a run, and the sweep's schedule."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from lambdas.common.aws_clients import client, now_ms
from lambdas.common.measurements import send
from lambdas.common.platform_tables import commands, sessions, spending
from lambdas.common.settings import settings
from lambdas.common.telemetry import about, log_info, logger, traced
from lambdas.respond.answer_wait import AnswerWait
from lambdas.respond.command_measurements import measurements_of
from lambdas.respond.responder import Responder
from lambdas.respond.sweep import Sweep
from sitewright.contracts.events import CommandNotStarted, EndedRun
from sitewright.contracts.messages import Response
from sitewright.contracts.metrics import ANSWERED
from sitewright.contracts.names import ANSWER_SOURCE, EVENT_SOURCE
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import ExecutionInput


@cache
def _responder() -> Responder:
    return Responder(
        sessions=sessions(),
        commands=commands(),
        spending=spending(),
        sqs=client("sqs"),
        queue_url=settings().need("RESPONSE_QUEUE_URL"),
        wait=AnswerWait(client("stepfunctions"), settings().need("ANSWER_MACHINE_ARN")).start,
        now=now_ms,
        log=log_info,
        measure=_measure,
    )


@traced
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers the command of an event, or says that its work is still being saved.

    Any other event (the schedule) starts the sweep.

    After any exception Lambda tries again.
    """
    source, detail = event.get("source"), event.get("detail") or {}
    if source == EVENT_SOURCE:
        ended = CommandNotStarted.model_validate(detail)
        about(ended)
        _responder().not_started(ended)
    elif source == ANSWER_SOURCE:
        run = EndedRun.model_validate(detail)
        about(run)
        return {"answered": _responder().saved_or_late(run)}
    elif source == "aws.states":
        _run_ended(detail)
    else:
        return {"answered": Sweep(_responder(), client("stepfunctions")).run()}
    return {}


def _measure(command: CommandRecord, response: Response) -> None:
    fields = {
        "clientId": command.client_id,
        "sessionId": command.session_id,
        "commandId": command.command_id,
        "outcome": response.status.value,
        "errorCode": response.error.code if response.error else "",
        "costUsd": response.cost_usd or 0,
        "durationMs": response.duration_ms or 0,
    }
    logger.info(ANSWERED, extra=fields)
    send(measurements_of(command, response))


def _run_ended(detail: dict[str, Any]) -> None:
    arn = detail.get("executionArn")
    # The event's status is final. DescribeExecution is eventually consistent and may still return RUNNING, so it only
    # supplies fields that an event may leave out. The input is left out if the run's output is large (Step Functions
    # developer guide, "Automating Step Functions event delivery with EventBridge").
    given, error, cause = detail.get("input"), detail.get("error"), detail.get("cause")
    if not given or (detail["status"] != "SUCCEEDED" and error is None):
        run = client("stepfunctions").describe_execution(executionArn=arn)
        given, error, cause = run.get("input"), run.get("error"), run.get("cause")
    try:
        request = ExecutionInput.model_validate_json(given or "")
    except ValidationError:
        # No retry would help. The sweep answers the command, if there is one.
        logger.warning("a run with an input of its own", extra={"executionArn": arn})
        return
    about(request)
    _responder().run_ended(request, detail["status"], error, cause)
