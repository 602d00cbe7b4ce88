"""The stack that all sites share: network, cluster, queues, tables, functions, event rules, alarms."""

from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from sitewright.contracts.names import CLUSTER
from stacks.accepted_findings import accept
from stacks.platform.answer_machine import answer_machine
from stacks.platform.data_stores import DataStores
from stacks.platform.egress import Egress
from stacks.platform.event_rules import add_event_rules
from stacks.platform.functions import PlatformFunctions
from stacks.platform.image.image_build import ImageBuilder, ImageSource
from stacks.platform.image.task_start_role import task_start_role
from stacks.platform.image.workspace_image import BuiltImage, image_of_docker
from stacks.platform.network import Network
from stacks.platform.observability.alarms import DOLLARS_A_DAY, Alarms, alarms
from stacks.platform.observability.dashboard import Dashboard
from stacks.platform.queues import Queues


class PlatformStack(Stack):
    """The shared part of the service. Each site adds a SiteStack."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alarm_email: str | None = None,
        alarm_daily_usd: float = DOLLARS_A_DAY,
        egress: Egress | None = None,
        image: ImageSource | None = None,
        **kwargs: Any,
    ) -> None:
        # Every site needs this stack, and its queues hold commands and responses that nobody has read.
        super().__init__(scope, construct_id, termination_protection=True, **kwargs)
        self.network = Network(self, "Network", egress=egress or Egress())
        self.cluster = ecs.Cluster(self, "Cluster", cluster_name=CLUSTER, vpc=self.network.vpc)
        accept(
            self.cluster,
            "Container Insights bills custom metrics for each task family: each site is one, and pays while it is idle.",
            "AwsSolutions-ECS4",
            "CKV_AWS_65",
        )
        self.queues = Queues(self, "Messaging")
        self.stores = DataStores(self, "Storage")
        self.functions = PlatformFunctions(
            self, queues=self.queues, stores=self.stores, network=self.network, cluster=self.cluster
        )
        answer_machine(self, respond=self.functions.respond, commands=self.stores.commands)
        add_event_rules(
            self,
            respond=self.functions.respond,
            task_stopped=self.functions.task_stopped,
            cluster=self.cluster,
            failed_events=self.queues.failed_events,
        )
        raised = Alarms(self, "Alarms", entries=alarms(self.queues, self.functions, alarm_daily_usd), email=alarm_email)
        board = Dashboard(self, "Dashboard", queues=self.queues, functions=self.functions, alarms=raised.all)
        CfnOutput(self, "DashboardName", value=board.name)
        self.workspace_image = self._workspace_image(image or ImageSource())
        task_start_role(self, self.workspace_image)
        self._outputs()

    def _workspace_image(self, source: ImageSource) -> str | BuiltImage | ecr_assets.DockerImageAsset:
        if source.uri:
            return source.uri
        return BuiltImage(self, "WorkspaceImage") if source.builder is ImageBuilder.CODEBUILD else image_of_docker(self)

    def _outputs(self) -> None:
        queues, stores = self.queues, self.stores
        for name, value in {
            "InputQueueUrl": queues.input.queue_url,
            "ResponseQueueUrl": queues.response.queue_url,
            "DeadLetterQueueUrl": queues.dead_letters.queue_url,
            "FailedEventsQueueUrl": queues.failed_events.queue_url,
            "ClusterName": self.cluster.cluster_name,
            "SessionsTable": stores.sessions.table_name,
            "CommandsTable": stores.commands.table_name,
            "DeploymentsTable": stores.deployments.table_name,
            "SpendingTable": stores.spending.table_name,
            "ArtifactsBucket": stores.artifacts.bucket_name,
        }.items():
            CfnOutput(self, name, value=value)
