"""The dashboard's tables by client: queries over the logs of the functions."""

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_

from sitewright.contracts.metrics import ANSWERED, PUBLISHED, WORKSPACE_ENDED
from stacks.platform.functions import PlatformFunctions

VCPU_SECOND, GB_SECOND = 0.03238 / 3600, 0.00356 / 3600
"""Fargate on ARM, list prices of us-west-2 (docs/cost.md). Other regions differ by some percent."""

CLIENTS_LISTED = 50
HALF, HEIGHT = 12, 7


def client_queries(functions: PlatformFunctions) -> list[list[cloudwatch.IWidget]]:
    """Returns the rows of tables. Each function writes the fields into its log: see the handler it names."""
    return [
        [
            _table(
                "Dollars of the model by client",
                functions.respond,
                f"filter message = '{ANSWERED}'",
                "stats sum(costUsd) as dollars, count(*) as commands, pct(durationMs, 95) / 1000 as p95Seconds by clientId",
                "sort dollars desc",
            ),
            _table(
                "Dollars of the workspaces by client",
                functions.task_stopped,
                f"filter message = '{WORKSPACE_ENDED}'",
                f"stats sum(vcpuSeconds) * {VCPU_SECOND:.10f} + sum(gbSeconds) * {GB_SECOND:.10f} as dollars, "
                "count(*) as workspaces, sum(workspaceSeconds) / 60 as minutes by clientId",
                "sort dollars desc",
            ),
        ],
        [
            _table(
                "Errors by client",
                functions.respond,
                f"filter message = '{ANSWERED}' and errorCode != ''",
                "stats count(*) as commands by clientId, errorCode, outcome",
                "sort commands desc",
            ),
            _table(
                "Publishes by client",
                functions.record_sync,
                f"filter message = '{PUBLISHED}'",
                "stats count(*) as publishes, sum(uploaded) as uploads, sum(deleted) as deletions, "
                "sum(drift) as drifted, latest(files) as siteFiles, latest(bytes) as siteBytes by clientId",
                "sort uploads desc",
            ),
        ],
    ]


def _table(title: str, function: lambda_.Function, *query: str) -> cloudwatch.LogQueryWidget:
    return cloudwatch.LogQueryWidget(
        title=title,
        log_group_names=[function.log_group.log_group_name],
        query_lines=[*query, f"limit {CLIENTS_LISTED}"],
        view=cloudwatch.LogQueryVisualizationType.TABLE,
        width=HALF,
        height=HEIGHT,
    )
