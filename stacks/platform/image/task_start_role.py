"""The role in which ECS starts every site's task: it pulls the image and opens the log. All sites share it.

ECS alone takes it, before anything of the image runs (ECS developer guide, "Task execution IAM role"). So no code of a
site ever holds it.
"""

import re

from aws_cdk import Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_iam as iam

from sitewright.contracts.names import task_start_role_name, workspace_log_group
from stacks import trust
from stacks.accepted_findings import accept_wildcards
from stacks.arns import arn
from stacks.platform.image.workspace_image import BuiltImage

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<name>[a-z0-9._/-]+?)(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?"
)
"""The URI of an image in a private ECR repository (Amazon ECR user guide, "Private registry concepts")."""


def task_start_role(stack: Stack, image: str | BuiltImage | ecr_assets.DockerImageAsset) -> iam.Role:
    """Creates the role. It may pull the image, if that is in ECR, and write the log of each site's workspace.

    Args:
        stack: the platform's.
        image: a URI, what CodeBuild builds, or what the operator's Docker builds.
    """
    role = iam.Role(
        stack,
        "TaskStartRole",
        role_name=task_start_role_name(stack.region),
        assumed_by=trust.task_starts(stack),
    )
    streams = arn(stack, "logs", f"log-group:{workspace_log_group('*')}:*")
    role.add_to_policy(iam.PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[streams]))
    accept_wildcards(role, "A site that comes later has its log below the same name.", streams)
    if repository := _repository(stack, image):
        repository.grant_pull(role)
        accept_wildcards(role, "A sign-in to ECR knows no resource.", "*")
    return role


def shared_task_start_role(stack: Stack) -> iam.IRole:
    """Returns the role for a site's stack. It is named, not imported: the platform can make it anew."""
    name = task_start_role_name(stack.region)
    role_arn = f"arn:{stack.partition}:iam::{stack.account}:role/{name}"
    return iam.Role.from_role_arn(stack, "SharedTaskStartRole", role_arn, mutable=False)


def _repository(stack: Stack, image: str | BuiltImage | ecr_assets.DockerImageAsset) -> ecr.IRepository | None:
    if not isinstance(image, str):
        return image.repository
    if not (match := _ECR.fullmatch(image)):
        return None
    return ecr.Repository.from_repository_attributes(
        stack,
        "ImageRepository",
        repository_name=match["name"],
        repository_arn=f"arn:{stack.partition}:ecr:{match['region']}:{match['account']}:repository/{match['name']}",
    )
