"""The platform's dashboard: commands, times, workspaces, publishes, dollars, queues and functions on one page.

Sums by client come from queries over the functions' logs ($0.005 a GB that a query reads). As metrics they would cost
$0.30 a month for each client and each number.
"""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from sitewright.contracts import metrics
from sitewright.contracts.messages import ResponseStatus
from stacks.platform.functions import PlatformFunctions
from stacks.platform.observability.client_queries import client_queries
from stacks.platform.observability.service_metrics import messages, oldest_seconds, sent
from stacks.platform.queues import Queues

FIVE_MINUTES, HOUR = Duration.minutes(5), Duration.hours(1)
FULL, HALF, THIRD, HEIGHT = 24, 12, 8, 6
STATUSES = [status.value for status in ResponseStatus]
SUCCEEDED = ResponseStatus.SUCCEEDED.value


class Dashboard(Construct):
    """One dashboard for all sites. Three dashboards of an account are free, a further one costs $3 a month."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        queues: Queues,
        functions: PlatformFunctions,
        alarms: list[cloudwatch.Alarm],
    ) -> None:
        super().__init__(scope, construct_id)
        board = cloudwatch.Dashboard(self, "Board", default_interval=Duration.days(1))
        self.name = board.dashboard_name
        board.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=[*alarms], width=FULL, height=3))
        board.add_widgets(_outcomes(), _share_of_failures(), _command_times())
        board.add_widgets(_step_times("p50"), _step_times("p95"), _starts())
        board.add_widgets(_steps(), _publishes(), _dollars())
        board.add_widgets(_queues(queues), _errors(functions), _quotas())
        for row in client_queries(functions):
            board.add_widgets(*row)


def _graph(
    title: str, *left: cloudwatch.IMetric, right: list[cloudwatch.IMetric] | None = None
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=[*left], right=right or [], width=THIRD, height=HEIGHT)


def _bars(title: str, *left: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title, left=[*left], stacked=True, view=cloudwatch.GraphWidgetView.BAR, width=THIRD, height=HEIGHT
    )


def _outcomes() -> cloudwatch.GraphWidget:
    counts = [sent(metrics.COMMAND_SECONDS, "SampleCount", HOUR, status).with_(label=status) for status in STATUSES]
    return _bars("Commands by outcome (interrupts among them)", *counts)


def _share_of_failures() -> cloudwatch.GraphWidget:
    return _graph(
        "Failed or timed out: share of an hour's commands",
        sent(metrics.FAILED, "Average", HOUR),
        right=[sent(metrics.NO_CAPACITY, "Sum", HOUR)],
    )


def _command_times() -> cloudwatch.GraphWidget:
    half, most = (sent(metrics.COMMAND_SECONDS, p, FIVE_MINUTES, SUCCEEDED) for p in ("p50", "p95"))
    return _graph("Seconds to the response, succeeded", half.with_(label="p50"), most.with_(label="p95"))


def _step_times(percentile: str) -> cloudwatch.GraphWidget:
    steps = [
        sent(metrics.STEP_SECONDS, percentile, FIVE_MINUTES, step).with_(label=step)
        for step in metrics.STEP_SECONDS.values
    ]
    return _graph(f"Seconds of each step, {percentile}", *steps)


def _starts() -> cloudwatch.GraphWidget:
    half, most = (sent(metrics.START_SECONDS, p, FIVE_MINUTES) for p in ("p50", "p95"))
    return _graph("Seconds of a cold start", half.with_(label="p50"), most.with_(label="p95"))


def _steps() -> cloudwatch.GraphWidget:
    """Steps that a fresh workspace began with, and the others. A workspace counts when it ends."""
    cold = sent(metrics.START_SECONDS, "SampleCount", HOUR)
    steps = {
        f"s{number}": sent(metrics.STEP_SECONDS, "SampleCount", HOUR, step)
        for number, step in enumerate(metrics.STEP_SECONDS.values)
    }
    total = "+".join(f"FILL({name},0)" for name in steps)
    # A cold step may be counted in an earlier hour than its workspace's end.
    warm = cloudwatch.MathExpression(
        expression=f"MAX([{total}-FILL(cold,0),0*FILL(cold,0)])",
        using_metrics={**steps, "cold": cold},
        label="warm",
        period=HOUR,
    )
    return _bars("Cold and warm steps", cold.with_(label="cold"), warm)


def _publishes() -> cloudwatch.GraphWidget:
    return _bars("Publish requests: files uploaded or deleted", sent(metrics.PUBLISHED_FILES, "Sum", HOUR))


def _dollars() -> cloudwatch.GraphWidget:
    return _bars("Dollars of the model", sent(metrics.MODEL_DOLLARS, "Sum", HOUR))


def _queues(queues: Queues) -> cloudwatch.GraphWidget:
    waiting = {"commands": oldest_seconds(queues.input), "responses": oldest_seconds(queues.response)}
    lost = {"dead letters": messages(queues.dead_letters), "failed events": messages(queues.failed_events)}
    return _graph(
        "Oldest message, seconds; messages given up (right)",
        *(metric.with_(label=name) for name, metric in waiting.items()),
        right=[metric.with_(label=name) for name, metric in lost.items()],
    )


def _errors(functions: PlatformFunctions) -> cloudwatch.GraphWidget:
    return _bars(
        "Errors of the functions",
        *(f.metric_errors(period=FIVE_MINUTES, label=name) for name, f in functions.named.items()),
    )


def _quotas() -> cloudwatch.GraphWidget:
    """What new accounts have little of: Fargate's vCPUs (Amazon ECS Developer Guide, "Usage metrics"), Lambda's concurrency."""
    vcpus = cloudwatch.Metric(
        namespace="AWS/Usage",
        metric_name="ResourceCount",
        dimensions_map={"Service": "Fargate", "Type": "Resource", "Resource": "vCPU", "Class": "Standard/OnDemand"},
        statistic="Maximum",
        period=FIVE_MINUTES,
    )
    quota = cloudwatch.MathExpression(
        expression="SERVICE_QUOTA(vcpus)", using_metrics={"vcpus": vcpus}, label="vCPU quota", period=FIVE_MINUTES
    )
    return _graph("Fargate vCPUs in use and their quota", vcpus.with_(label="vCPUs"), quota)
