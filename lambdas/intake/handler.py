"""Entry point of the intake function, which handles a batch of an SQS FIFO queue with partial failures."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.common.aws_clients import client, now_ms
from lambdas.common.platform_tables import commands, sessions, spending
from lambdas.common.settings import settings
from lambdas.common.telemetry import log_info, logger, traced
from lambdas.intake.command_intake import Intake
from lambdas.intake.later_commands import later_commands
from lambdas.intake.monthly_budget import MonthlyBudget
from lambdas.intake.redelivery import redeliver, redeliveries
from lambdas.intake.runs import Runs
from lambdas.intake.site_registry import SiteRegistry
from sitewright.contracts.steps import WorkspaceNetwork


def _network() -> WorkspaceNetwork:
    return WorkspaceNetwork(
        subnets=settings().need("WORKSPACE_SUBNETS").split(","),
        security_group=settings().need("WORKSPACE_SECURITY_GROUP"),
    )


@cache
def _intake() -> Intake:
    return Intake(
        sessions=sessions(),
        commands=commands(),
        runs=Runs(client("stepfunctions"), _network()),
        sites=SiteRegistry(SSMProvider(boto3_client=client("ssm"))),
        budget=MonthlyBudget(spending()),
        events=client("events"),
        sqs=client("sqs"),
        dead_letter_url=settings().need("INPUT_DLQ_URL"),
        now=now_ms,
        log=log_info,
    )


def _arrived(record: dict[str, Any]) -> int | None:
    """Returns when SQS got the message (ms)."""
    time = record["attributes"].get("SentTimestamp")
    return int(time) if time else None


@traced
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Handles each record in order. After a failure, the later messages of the same group stay on the queue.

    Those messages come back within seconds, in their order.
    """
    records = event["Records"]
    arrived = {record["messageId"]: _arrived(record) for record in records}
    found = later_commands([(record["body"], arrived[record["messageId"]]) for record in records])
    later = dict(zip((record["messageId"] for record in records), found, strict=True))

    def handle(record: SQSRecord) -> None:
        _intake().handle(
            record.body,
            message_id=record.message_id,
            group=record.attributes.message_group_id or record.message_id,
            later=later[record.message_id],
            arrived=arrived[record.message_id],
        )

    processor = SqsFifoPartialProcessor(skip_group_on_error=True)
    processor.raise_on_entire_batch_failure = False
    answer = process_partial_response(event=event, record_handler=handle, processor=processor, context=context)
    failed = {str(each["itemIdentifier"]) for each in answer["batchItemFailures"]}
    if failed:
        redeliver(
            client("sqs"),
            settings().need("INPUT_QUEUE_URL"),
            redeliveries(records, failed),
            lambda message, **fields: logger.warning(message, extra=fields),
        )
    return answer
