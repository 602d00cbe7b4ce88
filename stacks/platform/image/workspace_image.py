"""The workspace image, built once for all sites by AWS CodeBuild while the platform's stack is deployed.

CodeBuild builds on ARM, so the operator's machine needs no Docker and no emulation. `docs/decisions/` has the reasons.
"""

from pathlib import Path

from aws_cdk import CfnResource, Duration, FileSystem, IgnoreMode, RemovalPolicy, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from cdklabs.deploy_time_build import ContainerImageBuild
from constructs import Construct, IConstruct

from sitewright.contracts.names import IMAGE_BUILD_PROJECT, IMAGE_REPOSITORY
from stacks.accepted_findings import accept
from stacks.platform.image.image_build import pushing_from_buildkit
from stacks.platform.lambda_function import JUNK, SHARED

REPOSITORY = Path(__file__).parents[3]
DOCKERFILE = "container/Dockerfile"

SOURCES = ["*", "!container", "!container/**", *SHARED, *JUNK]
"""The image's sources, as patterns of .dockerignore. .venv, .local and caches must not change the image's tag."""

LOG_DAYS = 90

KEPT_IMAGES = 20
"""A site that was not deployed for so many builds loses its image."""

BUILD_LIMIT = Duration.minutes(20)
"""A build takes some minutes. CodeBuild ends a longer one without a word to CloudFormation."""

ANSWER_LIMIT = Duration.minutes(25)
"""How long CloudFormation waits for the build's answer. Its default is an hour."""

_OF_THE_BUILD = ("ContainerImageBuildArm64", "DeployTimeBuildCustomResourceHandler")
"""How the names of deploy-time-build's own constructs begin. It puts them into the stack, once."""

_ACCEPTED = {
    "The project keeps no artifacts.": ["AwsSolutions-CB4"],
    "CDK's own grant on the bucket of its assets: the sources of the image.": [
        *(f"AwsSolutions-IAM5[Action::s3:{action}*]" for action in ("GetBucket", "GetObject", "List")),
        "AwsSolutions-IAM5[Resource::arn:aws:s3:::cdk-hnb659fds-assets-…-{region}/*]",
    ],
    "A sign-in to ECR knows no resource.": ["AwsSolutions-IAM5[Resource::*]"],
    "CDK's own grants of a project: its log, and test reports that no build here writes.": [
        "AwsSolutions-IAM5[Resource::arn:aws:codebuild:{region}:…:report-group/…-*]",
        "AwsSolutions-IAM5[Resource::arn:aws:logs:{region}:…:log-group:/aws/codebuild/…:*]",
    ],
    "AWS keeps these policies as small as their names say: reading public images, and writing a function's log.": [
        "AwsSolutions-IAM4[Policy::arn:…:iam::aws:policy/AmazonElasticContainerRegistryPublicReadOnly]",
        "AwsSolutions-IAM4[Policy::arn:…:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]",
    ],
    "deploy-time-build chooses the version of Node that its function is tested with.": ["AwsSolutions-L1"],
}
"""The findings at deploy-time-build's own constructs, by the reason why they stand."""


def image_of_docker(stack: Stack) -> ecr_assets.DockerImageAsset:
    """Returns an image that the operator's Docker builds and pushes: once, however many sites use it."""
    return ecr_assets.DockerImageAsset(
        stack,
        "DockerImage",
        directory=str(REPOSITORY),
        file=DOCKERFILE,
        platform=ecr_assets.Platform.LINUX_ARM64,
        exclude=SOURCES,
        ignore_mode=IgnoreMode.DOCKER,
    )


class BuiltImage(Construct):
    """The image in ECR. CodeBuild builds it when its sources have changed.

    Its tag is the digest of the sources, which is known at synth. A site names repository and tag itself: an export that
    a site imports could not change (CloudFormation user guide, "Fn::ImportValue").
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.tag = FileSystem.fingerprint(
            str(REPOSITORY), exclude=SOURCES, ignore_mode=IgnoreMode.DOCKER, extra_hash=DOCKERFILE
        )
        self.repository = ecr.Repository(
            self,
            "Repository",
            repository_name=IMAGE_REPOSITORY,
            removal_policy=RemovalPolicy.DESTROY,
            empty_on_delete=True,
            lifecycle_rules=[ecr.LifecycleRule(max_image_count=KEPT_IMAGES)],
            # Basic scanning costs nothing (ECR user guide, "Scan images for software vulnerabilities").
            image_scan_on_push=True,
        )
        accept(
            self.repository,
            "The tag is the digest of the sources. A build that is repeated pushes the same tag again.",
            "CKV_AWS_51",
        )
        build = ContainerImageBuild(
            self,
            "Build",
            directory=str(REPOSITORY),
            file=DOCKERFILE,
            platform=ecr_assets.Platform.LINUX_ARM64,
            exclude=SOURCES,
            ignore_mode=IgnoreMode.DOCKER,
            repository=self.repository,
            tag=self.tag,
            zstd_compression=True,
        )
        resource = build.node.find_child("Resource").node.default_child
        assert isinstance(resource, CfnResource)  # noqa: S101 - for the type
        resource.add_property_override("ServiceTimeout", ANSWER_LIMIT.to_seconds())
        self._adapt()

    def in_task(self, scope: Construct) -> ecs.ContainerImage:
        """Returns the image for a task definition of another stack. The role that starts tasks may pull it."""
        repository = ecr.Repository.from_repository_name(scope, "ImageRepository", IMAGE_REPOSITORY)
        return ecs.ContainerImage.from_ecr_repository(repository, self.tag)

    def _adapt(self) -> None:
        """Changes what deploy-time-build puts into the stack itself."""
        stack = Stack.of(self)
        log_group = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/aws/codebuild/{IMAGE_BUILD_PROJECT}",
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )
        own: list[IConstruct] = [child for child in stack.node.children if child.node.id.startswith(_OF_THE_BUILD)]
        for child in own:
            for reason, rules in _ACCEPTED.items():
                accept(child, reason, *(rule.format(region=stack.region) for rule in rules))
        for resource in (found for child in own for found in child.node.find_all()):
            if isinstance(resource, codebuild.CfnProject):
                resource.add_property_override("Name", IMAGE_BUILD_PROJECT)
                resource.add_property_override("TimeoutInMinutes", BUILD_LIMIT.to_minutes())
                destination = {"Status": "ENABLED", "GroupName": log_group.log_group_name}
                resource.add_property_override("LogsConfig.CloudWatchLogs", destination)
                source = stack.resolve(resource.source)
                resource.add_property_override("Source.BuildSpec", pushing_from_buildkit(source["buildSpec"]))
            elif isinstance(resource, logs.CfnLogGroup):
                resource.retention_in_days = LOG_DAYS
                resource.apply_removal_policy(RemovalPolicy.DESTROY)
            elif isinstance(resource, iam.CfnRole):
                same_account = {"StringEquals": {"aws:SourceAccount": stack.account}}
                resource.add_property_override("AssumeRolePolicyDocument.Statement.0.Condition", same_account)
