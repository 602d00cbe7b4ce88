"""Alarms on failures that would be unnoticed otherwise. A new alarm is one entry of `alarms`."""

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.platform.queues import Queues

WAITING_SECONDS = 900
"""Age of a message that raises the alarm. Intake normally handles a message within a second.

At this age intake has failed at least ten times, or died twice: `sitewright/contracts/redelivery.py` has the pauses.
"""


@dataclass(frozen=True)
class Alarm:
    """An alarm that is raised when its metric exceeds the threshold."""

    name: str
    """The construct's id. Renaming it replaces the alarm."""
    description: str
    """The text of the mail: what happened, and where to look."""
    metric: cloudwatch.IMetric
    threshold: float = 0


def alarms(queues: Queues) -> list[Alarm]:
    """Returns every alarm of the platform."""
    return [
        Alarm(
            "DeadLetters",
            "Commands that intake gave up: see the input dead-letter queue",
            _messages(queues.dead_letters),
        ),
        Alarm("FailedEvents", "Events that no function could handle: see their queue", _messages(queues.failed_events)),
        Alarm("InputWaits", "The oldest command waits for intake", _oldest_seconds(queues.input), WAITING_SECONDS),
    ]


def _messages(queue: sqs.Queue) -> cloudwatch.Metric:
    return queue.metric_approximate_number_of_messages_visible(period=Duration.minutes(1), statistic="Maximum")


def _oldest_seconds(queue: sqs.Queue) -> cloudwatch.Metric:
    return queue.metric_approximate_age_of_oldest_message(period=Duration.minutes(1), statistic="Maximum")


class Alarms(Construct):
    """The alarms. With an address SNS mails them. Without one they show in the CloudWatch console only."""

    def __init__(self, scope: Construct, construct_id: str, *, queues: Queues, email: str | None) -> None:
        super().__init__(scope, construct_id)
        topic = sns.Topic(self, "Topic") if email else None
        if topic and email:
            topic.add_subscription(subscriptions.EmailSubscription(email))
        for entry in alarms(queues):
            alarm = cloudwatch.Alarm(
                self,
                entry.name,
                alarm_description=entry.description,
                metric=entry.metric,
                threshold=entry.threshold,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
                evaluation_periods=1,
                # SQS reports nothing for an idle queue (SQS developer guide, "Available CloudWatch metrics").
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            )
            if topic:
                alarm.add_alarm_action(actions.SnsAction(topic))
