"""The workspace as an ECS task definition: image, settings, roles."""

import re

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from sitewright.contracts.names import WORKSPACE_CONTAINER, task_family
from stacks import trust
from stacks.accepted_findings import accept, accept_wildcards
from stacks.platform.workspace_image import BuiltImage, image_of_docker

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
        image: str | BuiltImage | None,
    ) -> None:
        """`image`: a URI, what CodeBuild built, or None for a build by the operator's Docker."""
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
            image=self._image(image),
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

    def _image(self, image: str | BuiltImage | None) -> ecs.ContainerImage:
        if isinstance(image, str):
            self._let_pull(image)
            return ecs.ContainerImage.from_registry(image)
        accept_wildcards(self.definition.obtain_execution_role(), "A sign-in to ECR knows no resource.", "*")
        return image.in_task(self) if image else image_of_docker()

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
