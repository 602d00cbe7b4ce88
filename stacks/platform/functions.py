"""The platform's Lambda functions, each with its environment and its rights.

Their scope is the stack itself: a scope of their own would change the logical ids of deployed resources.
"""

from aws_cdk import Duration, Fn, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources

from sitewright.contracts.names import (
    ANSWER_MACHINE,
    BUCKET_PREFIXES,
    SITE_PARAMETER_PREFIX,
    deployment_key,
    manifest_key,
)
from sitewright.tables.schema import OPEN_INDEX
from stacks.accepted_findings import accept_wildcards
from stacks.arns import any_execution_arn, arn, state_machine_arn
from stacks.platform.data_stores import DataStores
from stacks.platform.lambda_function import LambdaFunction
from stacks.platform.network import Network
from stacks.platform.queues import INTAKE_TIMEOUT, Queues

EVERY_SITE = "A function serves every site. Sites come and go without a deployment of the platform."

GET, PUT, UPDATE, QUERY = "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query"


class PlatformFunctions:
    """Intake, commit message, record sync, make room, task stopped and respond."""

    def __init__(
        self, stack: Stack, *, queues: Queues, stores: DataStores, network: Network, cluster: ecs.Cluster
    ) -> None:
        self._stack = stack
        self.intake = self._intake(queues, stores, network)
        self.commit_message = self._commit_message(stores)
        self.record_sync = self._record_sync(stores)
        self.make_room = self._make_room(stores, cluster)
        self.task_stopped = self._task_stopped(stores)
        self.respond = self._respond(queues, stores)

    @property
    def named(self) -> dict[str, lambda_.Function]:
        """All functions, by the names of their alarms."""
        return {
            "Intake": self.intake,
            "CommitMessage": self.commit_message,
            "RecordSync": self.record_sync,
            "MakeRoom": self.make_room,
            "TaskStopped": self.task_stopped,
            "Respond": self.respond,
        }

    def _intake(self, queues: Queues, stores: DataStores, network: Network) -> lambda_.Function:
        stack = self._stack
        function = LambdaFunction(
            stack,
            "Intake",
            module="intake",
            timeout=INTAKE_TIMEOUT,
            environment={
                "INPUT_QUEUE_URL": queues.input.queue_url,
                "INPUT_DLQ_URL": queues.dead_letters.queue_url,
                "SESSIONS_TABLE": stores.sessions.table_name,
                "COMMANDS_TABLE": stores.commands.table_name,
                "SPENDING_TABLE": stores.spending.table_name,
                "WORKSPACE_SUBNETS": Fn.join(",", network.subnets),
                "WORKSPACE_SECURITY_GROUP": network.security_group.security_group_id,
            },
        ).function
        # The event source's own rights include ChangeMessageVisibility on the queue.
        function.add_event_source(
            event_sources.SqsEventSource(queues.input, batch_size=10, report_batch_item_failures=True)
        )
        _allow(function, ["sqs:SendMessage"], [queues.dead_letters.queue_arn])
        # TransactWriteItems is authorized by the actions of its parts (DynamoDB developer guide, "Using IAM with
        # DynamoDB transactions").
        _allow(function, [GET, UPDATE], [stores.sessions.table_arn])
        _allow(function, [GET, PUT, UPDATE, QUERY], [stores.commands.table_arn])
        _allow(function, [GET], [stores.spending.table_arn])
        _allow(function, ["states:StartExecution"], [state_machine_arn(stack, "*")], EVERY_SITE)
        _allow(function, ["states:StopExecution"], [any_execution_arn(stack)], EVERY_SITE)
        _allow(function, ["events:PutEvents"], [arn(stack, "events", "event-bus/default")])
        _allow(function, ["ssm:GetParameter"], [arn(stack, "ssm", f"parameter{SITE_PARAMETER_PREFIX}*")], EVERY_SITE)
        return function

    def _commit_message(self, stores: DataStores) -> lambda_.Function:
        function = LambdaFunction(
            self._stack,
            "CommitMessage",
            module="commit_message",
            timeout=Duration.seconds(15),
            environment={"COMMANDS_TABLE": stores.commands.table_name},
        ).function
        _allow(function, [GET, UPDATE], [stores.commands.table_arn])
        return function

    def _record_sync(self, stores: DataStores) -> lambda_.Function:
        artifacts = stores.artifacts
        function = LambdaFunction(
            self._stack,
            "RecordSync",
            module="record_sync",
            timeout=Duration.minutes(2),
            memory_size=512,
            environment={
                "ARTIFACTS_BUCKET": artifacts.bucket_name,
                "COMMANDS_TABLE": stores.commands.table_name,
                "DEPLOYMENTS_TABLE": stores.deployments.table_name,
            },
        ).function
        _allow(function, ["s3:GetObject", "s3:PutObject"], [artifacts.arn_for_objects(manifest_key("*"))], EVERY_SITE)
        records = artifacts.arn_for_objects(deployment_key("*", "*"))
        _allow(function, ["s3:GetObject", "s3:DeleteObject"], [records], EVERY_SITE)
        function.add_to_role_policy(
            iam.PolicyStatement(
                # Without ListBucket a missing manifest answers 403 instead of 404 (S3 API reference, GetObject).
                actions=["s3:ListBucket"],
                resources=[artifacts.bucket_arn],
                conditions={"StringLike": {"s3:prefix": [manifest_key("*")]}},
            )
        )
        _allow(function, [UPDATE], [stores.commands.table_arn])
        _allow(function, [PUT, UPDATE, QUERY], [stores.deployments.table_arn])
        buckets = [f"arn:{self._stack.partition}:s3:::{name}*" for name in BUCKET_PREFIXES]
        _allow(function, ["s3:ListBucket"], buckets, EVERY_SITE)
        return function

    @property
    def capacity_shortages(self) -> cloudwatch.Metric:
        """How often a run found no capacity for a workspace: each time it calls make_room. The metric costs nothing."""
        return self.make_room.metric_invocations(period=Duration.minutes(5), statistic="Sum")

    def _make_room(self, stores: DataStores, cluster: ecs.Cluster) -> lambda_.Function:
        function = LambdaFunction(
            self._stack,
            "MakeRoom",
            module="make_room",
            timeout=Duration.seconds(30),
            environment={"SESSIONS_TABLE": stores.sessions.table_name, "CLUSTER": cluster.cluster_arn},
        ).function
        _allow(function, [GET, UPDATE], [stores.sessions.table_arn])
        function.add_to_role_policy(
            iam.PolicyStatement(
                # ListTasks has no resource for tasks on Fargate (service authorization reference, Amazon ECS).
                actions=["ecs:ListTasks", "ecs:DescribeTasks"],
                resources=["*"],
                conditions={"ArnEquals": {"ecs:cluster": cluster.cluster_arn}},
            )
        )
        if function.role:
            accept_wildcards(
                function.role, "The condition names the cluster: ListTasks has no resource on Fargate.", "*"
            )
        return function

    def _task_stopped(self, stores: DataStores) -> lambda_.Function:
        function = LambdaFunction(
            self._stack,
            "TaskStopped",
            module="task_stopped",
            timeout=Duration.seconds(30),
            environment={"SESSIONS_TABLE": stores.sessions.table_name},
        ).function
        _allow(function, [UPDATE], [stores.sessions.table_arn])
        # Task tokens are no resource that a permission could name (service authorization reference, Step Functions).
        _allow(function, ["states:SendTaskFailure"], ["*"], "IAM has no resource for a task token.")
        return function

    def _respond(self, queues: Queues, stores: DataStores) -> lambda_.Function:
        function = LambdaFunction(
            self._stack,
            "Respond",
            module="respond",
            timeout=Duration.minutes(2),
            environment={
                "RESPONSE_QUEUE_URL": queues.response.queue_url,
                "ANSWER_MACHINE_ARN": arn(self._stack, "states", f"stateMachine:{ANSWER_MACHINE}"),
                "SESSIONS_TABLE": stores.sessions.table_name,
                "COMMANDS_TABLE": stores.commands.table_name,
                "SPENDING_TABLE": stores.spending.table_name,
            },
        ).function
        _allow(function, ["sqs:SendMessage"], [queues.response.queue_arn])
        for table in (stores.sessions, stores.commands):
            _allow(function, [GET, UPDATE], [table.table_arn])
        _allow(function, [UPDATE], [stores.spending.table_arn])
        _allow(function, [QUERY], [f"{stores.commands.table_arn}/index/{OPEN_INDEX}"])
        _allow(function, ["states:StartExecution"], [arn(self._stack, "states", f"stateMachine:{ANSWER_MACHINE}")])
        _allow(function, ["states:DescribeExecution"], [any_execution_arn(self._stack)], EVERY_SITE)
        return function


def _allow(function: lambda_.Function, actions: list[str], resources: list[str], why_all: str | None = None) -> None:
    """Adds a right. `why_all` is the reason for a resource with a `*`."""
    function.add_to_role_policy(iam.PolicyStatement(actions=actions, resources=resources))
    if why_all and function.role:
        accept_wildcards(function.role, why_all, *resources)
