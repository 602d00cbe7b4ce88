"""What all sites share: network, cluster, queues, tables, Lambdas, events."""

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_lambda_event_sources as event_sources
from constructs import Construct

from sitewright.contracts.names import (
    EVENT_SOURCE,
    NOT_STARTED,
    SITE_PARAMETER_PREFIX,
    deployment_key,
    manifest_key,
    state_machine_name,
)
from sitewright.contracts.records import OPEN_INDEX
from stacks.constructs.alarms import Alarms
from stacks.constructs.function import Function
from stacks.constructs.messaging import INTAKE_TIMEOUT, Messaging
from stacks.constructs.network import Network
from stacks.constructs.storage import Storage

GET, PUT, UPDATE = "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"


class PlatformStack(Stack):
    """The shared part of the service; each site adds a SiteStack."""

    def __init__(self, scope: Construct, construct_id: str, *, alarm_email: str | None = None, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self.network = Network(self, "Network")
        self.cluster = ecs.Cluster(self, "Cluster", vpc=self.network.vpc)
        self.messaging = Messaging(self, "Messaging")
        self.storage = Storage(self, "Storage")
        self._site_arn = self._arn("states", f"stateMachine:{state_machine_name('*')}")
        self._run_arn = self._arn("states", f"execution:{state_machine_name('*')}:*")
        self.intake = self._intake()
        self.commit_message = self._commit_message()
        self.record_sync = self._record_sync()
        self.task_stopped = self._task_stopped()
        self.respond = self._respond()
        self._rules()
        Alarms(self, "Alarms", messaging=self.messaging, email=alarm_email)
        self._outputs()

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def _allow(self, function: lambda_.Function, actions: list[str], resources: list[str]) -> None:
        function.add_to_role_policy(iam.PolicyStatement(actions=actions, resources=resources))

    def _intake(self) -> lambda_.Function:
        storage, messaging = self.storage, self.messaging
        function = Function(
            self,
            "Intake",
            module="intake",
            timeout=INTAKE_TIMEOUT,
            environment={
                "INPUT_DLQ_URL": messaging.dead_letters.queue_url,
                "SESSIONS_TABLE": storage.sessions.table_name,
                "COMMANDS_TABLE": storage.commands.table_name,
            },
        ).function
        function.add_event_source(
            event_sources.SqsEventSource(messaging.input, batch_size=10, report_batch_item_failures=True)
        )
        self._allow(function, ["sqs:SendMessage"], [messaging.dead_letters.queue_arn])
        # TransactWriteItems is authorized by the actions of its parts (DynamoDB developer guide, "Using IAM with
        # DynamoDB transactions").
        self._allow(function, [GET, UPDATE], [storage.sessions.table_arn])
        self._allow(function, [GET, PUT, UPDATE, "dynamodb:Query"], [storage.commands.table_arn])
        self._allow(function, ["states:StartExecution"], [self._site_arn])
        self._allow(function, ["states:StopExecution"], [self._run_arn])
        self._allow(function, ["events:PutEvents"], [self._arn("events", "event-bus/default")])
        self._allow(function, ["ssm:GetParameter"], [self._arn("ssm", f"parameter{SITE_PARAMETER_PREFIX}*")])
        return function

    def _commit_message(self) -> lambda_.Function:
        function = Function(
            self,
            "CommitMessage",
            module="commit_message",
            timeout=Duration.seconds(15),
            environment={"COMMANDS_TABLE": self.storage.commands.table_name},
        ).function
        self._allow(function, [GET, UPDATE], [self.storage.commands.table_arn])
        return function

    def _record_sync(self) -> lambda_.Function:
        storage = self.storage
        function = Function(
            self,
            "RecordSync",
            module="record_sync",
            timeout=Duration.minutes(2),
            memory_size=512,
            environment={
                "ARTIFACTS_BUCKET": storage.artifacts.bucket_name,
                "COMMANDS_TABLE": storage.commands.table_name,
                "DEPLOYMENTS_TABLE": storage.deployments.table_name,
            },
        ).function
        artifacts = storage.artifacts
        self._allow(function, ["s3:GetObject", "s3:PutObject"], [artifacts.arn_for_objects(manifest_key("*"))])
        self._allow(
            function, ["s3:GetObject", "s3:DeleteObject"], [artifacts.arn_for_objects(deployment_key("*", "*"))]
        )
        function.add_to_role_policy(
            iam.PolicyStatement(
                # Without ListBucket a missing manifest answers 403 instead of 404 (S3 API reference, GetObject).
                actions=["s3:ListBucket"],
                resources=[artifacts.bucket_arn],
                conditions={"StringLike": {"s3:prefix": [manifest_key("*")]}},
            )
        )
        self._allow(function, [UPDATE], [storage.commands.table_arn])
        self._allow(function, [PUT, UPDATE, "dynamodb:Query"], [storage.deployments.table_arn])
        self._allow(function, ["s3:ListBucket"], [f"arn:{self.partition}:s3:::edit.*"])
        return function

    def _task_stopped(self) -> lambda_.Function:
        storage = self.storage
        function = Function(
            self,
            "TaskStopped",
            module="task_stopped",
            timeout=Duration.seconds(30),
            environment={"SESSIONS_TABLE": storage.sessions.table_name},
        ).function
        self._allow(function, [UPDATE], [storage.sessions.table_arn])
        # Task tokens carry no resource to cut the permission to (service authorization reference, Step Functions).
        self._allow(function, ["states:SendTaskFailure"], ["*"])
        return function

    def _respond(self) -> lambda_.Function:
        storage, messaging = self.storage, self.messaging
        function = Function(
            self,
            "Respond",
            module="respond",
            timeout=Duration.minutes(2),
            environment={
                "RESPONSE_QUEUE_URL": messaging.response.queue_url,
                "SESSIONS_TABLE": storage.sessions.table_name,
                "COMMANDS_TABLE": storage.commands.table_name,
            },
        ).function
        self._allow(function, ["sqs:SendMessage"], [messaging.response.queue_arn])
        for table in (storage.sessions, storage.commands):
            self._allow(function, [GET, UPDATE], [table.table_arn])
        self._allow(function, ["dynamodb:Query"], [f"{storage.commands.table_arn}/index/{OPEN_INDEX}"])
        self._allow(function, ["states:DescribeExecution"], [self._run_arn])
        return function

    def _target(self, function: lambda_.Function) -> targets.LambdaFunction:
        # EventBridge's own retries end a day later by default; by then the run is over and the sweep has answered it.
        return targets.LambdaFunction(
            function,
            dead_letter_queue=self.messaging.failed_events,
            max_event_age=Duration.hours(2),
            retry_attempts=20,
        )

    def _rules(self) -> None:
        for function in (self.respond, self.task_stopped):
            function.configure_async_invoke(
                retry_attempts=2, on_failure=destinations.SqsDestination(self.messaging.failed_events)
            )
        events.Rule(
            self,
            "RunEnded",
            description="A run ended: answer its command",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"],
                    "stateMachineArn": [{"prefix": self._arn("states", f"stateMachine:{state_machine_name('')}")}],
                },
            ),
            targets=[self._target(self.respond)],
        )
        events.Rule(
            self,
            "NotStarted",
            description="A command ends without a run: answer it",
            event_pattern=events.EventPattern(source=[EVENT_SOURCE], detail_type=[NOT_STARTED]),
            targets=[self._target(self.respond)],
        )
        events.Rule(
            self,
            "Sweep",
            description="Answer commands whose event got lost: delivery from Step Functions is best effort",
            schedule=events.Schedule.rate(Duration.minutes(5)),
            targets=[self._target(self.respond)],
        )
        events.Rule(
            self,
            "TaskEnded",
            description="A workspace stopped: fail its open step with a diagnosis",
            event_pattern=events.EventPattern(
                source=["aws.ecs"],
                detail_type=["ECS Task State Change"],
                detail={"lastStatus": ["STOPPED"], "clusterArn": [self.cluster.cluster_arn]},
            ),
            targets=[self._target(self.task_stopped)],
        )

    def _outputs(self) -> None:
        storage, messaging = self.storage, self.messaging
        for name, value in {
            "InputQueueUrl": messaging.input.queue_url,
            "ResponseQueueUrl": messaging.response.queue_url,
            "DeadLetterQueueUrl": messaging.dead_letters.queue_url,
            "FailedEventsQueueUrl": messaging.failed_events.queue_url,
            "ClusterName": self.cluster.cluster_name,
            "SessionsTable": storage.sessions.table_name,
            "CommandsTable": storage.commands.table_name,
            "DeploymentsTable": storage.deployments.table_name,
            "ArtifactsBucket": storage.artifacts.bucket_name,
        }.items():
            CfnOutput(self, name, value=value)
