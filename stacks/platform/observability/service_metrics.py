"""The metrics of the platform as CDK's objects: those that the functions send, and those of AWS."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sqs as sqs

from sitewright.contracts.metrics import Measure
from sitewright.contracts.names import METRICS_NAMESPACE

MINUTE = Duration.minutes(1)


def sent(measure: Measure, statistic: str, period: Duration, at: str | None = None) -> cloudwatch.Metric:
    """Returns a metric of a function. `at` is the value of its dimension.

    It has no label: with one CDK writes an alarm's metric as an expression, which the emulator refuses.
    """
    dimension = {measure.dimension: at} if measure.dimension and at else {}
    return cloudwatch.Metric(
        namespace=METRICS_NAMESPACE,
        metric_name=measure.name,
        dimensions_map={"service": measure.service, **dimension},
        statistic=statistic,
        period=period,
    )


def messages(queue: sqs.Queue) -> cloudwatch.Metric:
    """Returns the number of messages in a queue."""
    return queue.metric_approximate_number_of_messages_visible(period=MINUTE, statistic="Maximum")


def oldest_seconds(queue: sqs.Queue) -> cloudwatch.Metric:
    """Returns the age of a queue's oldest message."""
    return queue.metric_approximate_age_of_oldest_message(period=MINUTE, statistic="Maximum")
