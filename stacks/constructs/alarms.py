"""Alarms on what nobody would see otherwise: a message that was given up, an event that was lost, an input that waits."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs.messaging import Messaging

WAITING_SECONDS = 900
"""Intake takes a message within a second; this old, it was received at least twice without success (360 s apart)."""


class Alarms(Construct):
    """Three alarms; with an address they are mailed to it, else they show in the CloudWatch console only."""

    def __init__(self, scope: Construct, construct_id: str, *, messaging: Messaging, email: str | None) -> None:
        super().__init__(scope, construct_id)
        self._topic = sns.Topic(self, "Topic") if email else None
        if self._topic and email:
            self._topic.add_subscription(subscriptions.EmailSubscription(email))
        self._alarm(
            "DeadLetters", "Commands that intake gave up: see the input dead-letter queue", messaging.dead_letters
        )
        self._alarm("FailedEvents", "Events that no function could handle: see their queue", messaging.failed_events)
        self._alarm("InputWaits", "The oldest command waits for intake", messaging.input, older_than=WAITING_SECONDS)

    def _alarm(self, name: str, description: str, queue: sqs.Queue, *, older_than: int | None = None) -> None:
        minute = Duration.minutes(1)
        metric = (
            queue.metric_approximate_number_of_messages_visible(period=minute, statistic="Maximum")
            if older_than is None
            else queue.metric_approximate_age_of_oldest_message(period=minute, statistic="Maximum")
        )
        alarm = cloudwatch.Alarm(
            self,
            name,
            alarm_description=description,
            metric=metric,
            threshold=older_than or 0,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=1,
            # SQS reports nothing for a queue that is idle (SQS developer guide, "Available CloudWatch metrics").
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if self._topic:
            alarm.add_alarm_action(actions.SnsAction(self._topic))
