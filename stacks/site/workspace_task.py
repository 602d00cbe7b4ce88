"""The workspace as an ECS task definition: image, settings, roles."""

import re
from pathlib import Path

from aws_cdk import Duration, IgnoreMode, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from sitewright.contracts.names import WORKSPACE_CONTAINER, task_family
from stacks import trust
from stacks.accepted_findings import accept
from stacks.platform.lambda_function import JUNK, SHARED

REPOSITORY = Path(__file__).parents[2]

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<name>[a-z0-9._/-]+?)(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?"
)
"""The URI of an image in a private ECR repository (Amazon ECR user guide, "Private registry concepts")."""


class WorkspaceTask(Construct):
    """A Fargate task definition on ARM (about 20 % cheaper than x86)."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        client_id: str,
        cpu: int,
        memory_mib: int,
        environment: dict[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self.log_group = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/sitewright/{client_id}/workspace",
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.definition = ecs.FargateTaskDefinition(
            self,
            "Definition",
            cpu=cpu,
            memory_limit_mib=memory_mib,
            family=task_family(client_id),
            task_role=iam.Role(self, "TaskRole", assumed_by=trust.tasks(Stack.of(self))),
            execution_role=iam.Role(self, "ExecutionRole", assumed_by=trust.task_starts(Stack.of(self))),
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64,
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
        )
        self.definition.add_container(
            WORKSPACE_CONTAINER,
            container_name=WORKSPACE_CONTAINER,
            image=self._image(),
            command=["python", "-m", "workspace"],
            environment=environment,
            logging=ecs.LogDrivers.aws_logs(stream_prefix=WORKSPACE_CONTAINER, log_group=self.log_group),
            # Fargate's maximum. Saving an interrupted step takes some 20 s.
            stop_timeout=Duration.seconds(120),
            # No init process: it would have the task's environment, and be open to every process of its user. The
            # runner is PID 1, and reaps orphans itself.
        )
        accept(
            self.definition,
            "The environment holds names and limits. Secrets are read by name, and never enter an environment.",
            "AwsSolutions-ECS2",
        )

    def _image(self) -> ecs.ContainerImage:
        uri = self.node.try_get_context("workspaceImage")
        if uri:
            self._let_pull(uri)
            return ecs.ContainerImage.from_registry(uri)
        return ecs.ContainerImage.from_asset(
            str(REPOSITORY),
            file="container/Dockerfile",
            platform=ecr_assets.Platform.LINUX_ARM64,
            # .venv, .local and caches must not change the hash: each deployment would build a new image.
            exclude=["*", "!container", "!container/**", *SHARED, *JUNK],
            ignore_mode=IgnoreMode.DOCKER,
        )

    def _let_pull(self, uri: str) -> None:
        # `from_registry` gives the execution role no right to pull from ECR.
        if match := _ECR.fullmatch(uri):
            partition = Stack.of(self).partition
            repository = ecr.Repository.from_repository_attributes(
                self,
                "ImageRepository",
                repository_name=match["name"],
                repository_arn=f"arn:{partition}:ecr:{match['region']}:{match['account']}:repository/{match['name']}",
            )
            repository.grant_pull(self.definition.obtain_execution_role())
