"""The workspace as an ECS task definition: image, settings, roles."""

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from sitewright.contracts.names import WORKSPACE_CONTAINER, task_family, workspace_log_group
from stacks import trust
from stacks.accepted_findings import accept
from stacks.platform.image.task_start_role import shared_task_start_role
from stacks.platform.image.workspace_image import BuiltImage


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
        image: str | BuiltImage | ecr_assets.DockerImageAsset,
    ) -> None:
        """`image`: a URI, what CodeBuild builds, or what the operator's Docker builds."""
        super().__init__(scope, construct_id)
        self.log_group = logs.LogGroup(
            self,
            "Log",
            log_group_name=workspace_log_group(client_id),
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
            execution_role=shared_task_start_role(Stack.of(self)),
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

    def _image(self, image: str | BuiltImage | ecr_assets.DockerImageAsset) -> ecs.ContainerImage:
        if isinstance(image, str):
            return ecs.ContainerImage.from_registry(image)
        return (
            image.in_task(self) if isinstance(image, BuiltImage) else ecs.ContainerImage.from_docker_image_asset(image)
        )
