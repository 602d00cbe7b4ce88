"""Entry point of the intake function: an SQS FIFO batch with partial failures."""

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.common.aws_clients import client, now_ms, table
from lambdas.common.settings import settings
from lambdas.intake.intake import Intake
from lambdas.intake.parse import parse
from lambdas.intake.store import Store
from sitewright.contracts.messages import Command

logger = Logger()


@cache
def _intake() -> Intake:
    values = settings()
    return Intake(
        store=Store(table(values.need("SESSIONS_TABLE")), table(values.need("COMMANDS_TABLE"))),
        sfn=client("stepfunctions"),
        events=client("events"),
        ssm=client("ssm"),
        sqs=client("sqs"),
        dead_letter_url=values.need("INPUT_DLQ_URL"),
        now=now_ms,
        log=lambda message, **fields: logger.info(message, extra=fields),
    )


def followers(bodies: list[str]) -> list[list[str]]:
    """For each message of a batch: the session's other commands that follow later in the batch, newest first. Pure.

    A later one counts only if it is of the same client and thread: otherwise it will be rejected itself. Whether it is
    really newer, and no old command delivered again, only the table knows.
    """
    later: dict[tuple[str, str, str], list[str]] = {}
    found: list[list[str]] = []
    for body in reversed(bodies):
        parsed = parse(body)
        if not isinstance(parsed, Command):
            found.append([])
            continue
        follow = later.setdefault((parsed.session_id, parsed.client_id, parsed.chat_thread_id), [])
        found.append([command_id for command_id in follow if command_id != parsed.command_id])
        if parsed.command_id not in follow:
            follow.append(parsed.command_id)
    return found[::-1]


def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Handles each record in order; the first failure of a message group leaves the rest of it on the queue."""
    records = event["Records"]
    later = dict(zip((r["messageId"] for r in records), followers([r["body"] for r in records]), strict=True))

    def one(record: SQSRecord) -> None:
        group = record.attributes.message_group_id or record.message_id
        _intake().handle(record.body, message_id=record.message_id, group=group, later=later[record.message_id])

    processor = SqsFifoPartialProcessor(skip_group_on_error=True)
    processor.raise_on_entire_batch_failure = False
    return process_partial_response(event=event, record_handler=one, processor=processor, context=context)
