"""Alarms on what an operator has to act on. A new alarm is one entry of `alarms`.

Each alarm has one metric. The emulator takes no alarm on an expression, and AWS bills each metric of an alarm.
"""

import re
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from sitewright.contracts.metrics import FAILED, MODEL_DOLLARS, NO_CAPACITY
from sitewright.contracts.site_config import SiteConfigError
from stacks.accepted_findings import accept
from stacks.platform.functions import PlatformFunctions
from stacks.platform.observability.service_metrics import messages, oldest_seconds, sent
from stacks.platform.queues import Queues

WAITING_SECONDS = 900
"""Age of a message that raises the alarm. Intake normally handles a message within a second, a client's reader a response.

At this age intake has failed at least ten times, or died twice: `sitewright/contracts/redelivery.py` has the pauses.
"""

FAILED_SHARE = 0.2
"""Share of an hour's commands. A share means the same for three sites and for a thousand; a number does not."""

DOLLARS_A_DAY = 50.0
"""What the model may cost in a day before the alarm: the context `alarmDailyUsd`."""

FIVE_MINUTES, HOUR, DAY = Duration.minutes(5), Duration.hours(1), Duration.days(1)


@dataclass(frozen=True)
class Alarm:
    """An alarm that is raised when its metric exceeds the threshold in enough periods."""

    name: str
    """The construct's id. Renaming it replaces the alarm."""
    description: str
    """The text of the mail: what happened, and where to look."""
    metric: cloudwatch.IMetric
    threshold: float = 0
    periods: int = 1
    of_the_last: int = 1
    """The alarm is raised if `periods` of the last `of_the_last` periods exceed the threshold."""


def alarms(queues: Queues, functions: PlatformFunctions, daily_usd: float) -> list[Alarm]:
    """Returns every alarm of the platform."""
    return [
        Alarm(
            "DeadLetters",
            "Commands that intake gave up: see the input dead-letter queue",
            messages(queues.dead_letters),
        ),
        Alarm("FailedEvents", "Events that no function could handle: see their queue", messages(queues.failed_events)),
        Alarm("InputWaits", "The oldest command waits for intake", oldest_seconds(queues.input), WAITING_SECONDS),
        Alarm(
            "ResponsesWait",
            "Nobody reads the responses: the oldest one waits",
            oldest_seconds(queues.response),
            WAITING_SECONDS,
        ),
        Alarm(
            "CommandsFail",
            "More than a fifth of an hour's commands failed or timed out: see the dashboard's failures",
            sent(FAILED, "Average", HOUR),
            FAILED_SHARE,
        ),
        Alarm("NoCapacity", "Commands found no room for a workspace: raise the quota", sent(NO_CAPACITY, "Sum", HOUR)),
        Alarm(
            "Spending",
            f"The model cost more than ${daily_usd:g} in a day: see the dashboard's dollars by client",
            sent(MODEL_DOLLARS, "Sum", DAY),
            daily_usd,
        ),
        *(_errors(name, function) for name, function in functions.named.items()),
        Alarm(
            "Throttles",
            "Lambda refused calls: the account's concurrency is used up",
            # Without a dimension it is all functions: they share the account's concurrency.
            lambda_.Function.metric_all_throttles(period=FIVE_MINUTES, statistic="Sum"),
            periods=2,
            of_the_last=3,
        ),
    ]


def _errors(name: str, function: lambda_.Function) -> Alarm:
    # Each caller of a function tries again. One error is repaired by that; errors that go on are not.
    metric = function.metric_errors(period=FIVE_MINUTES, statistic="Sum")
    return Alarm(f"{name}Errors", f"{name} fails again and again: see its log", metric, periods=2, of_the_last=3)


def dollars_a_day(context: Any) -> float:
    """Returns the threshold of the alarm `Spending`, from the context. Raises SiteConfigError."""
    if context is None:
        return DOLLARS_A_DAY
    if isinstance(context, bool) or not isinstance(context, int | float) or not 0 < context < float("inf"):
        raise SiteConfigError(f"alarmDailyUsd: {context!r} is no amount of dollars. Correct it in cdk.json.")
    return float(context)


def mail_address(context: Any) -> str | None:
    """Returns the address of the context `alarmEmail`; None without one. Raises SiteConfigError."""
    if not context:
        return None
    if not isinstance(context, str) or not re.fullmatch(r"[^@\s]+@[^@\s]+", context):
        raise SiteConfigError(f"alarmEmail: {context!r} is no mail address. Correct it in cdk.json.")
    return context


class Alarms(Construct):
    """The alarms. With an address SNS mails them. Without one they show in the CloudWatch console only."""

    def __init__(self, scope: Construct, construct_id: str, *, entries: list[Alarm], email: str | None) -> None:
        super().__init__(scope, construct_id)
        topic = sns.Topic(self, "Topic") if email else None
        if topic and email:
            topic.add_subscription(subscriptions.EmailSubscription(email))
            accept(
                topic,
                "Only CloudWatch sends to it. A policy that asks for TLS would replace the default one, which lets it.",
                "AwsSolutions-SNS3",
            )
            accept(topic, "CloudWatch cannot use SNS' own key, and a key of one's own costs $1 a month.", "CKV_AWS_26")
        self.all = [self._alarm(entry, topic) for entry in entries]

    def _alarm(self, entry: Alarm, topic: sns.Topic | None) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            entry.name,
            alarm_description=entry.description,
            metric=entry.metric,
            threshold=entry.threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=entry.of_the_last,
            datapoints_to_alarm=entry.periods,
            # SQS reports nothing for an idle queue (SQS developer guide, "Available CloudWatch metrics"), and functions
            # that nobody calls send nothing.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if topic:
            alarm.add_alarm_action(actions.SnsAction(topic))
        return alarm
