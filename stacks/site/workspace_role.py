"""The rights of a workspace: to write its site, its client's artifacts and its session, and to report to its run."""

from aws_cdk import Stack
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from sitewright.contracts.model.bedrock_models import model_resource
from sitewright.contracts.site_config import SiteConfig
from stacks.accepted_findings import accept_wildcards
from stacks.arns import arn
from stacks.leading_keys import own_items
from stacks.platform.data_stores import DataStores


def grant_workspace(
    role: iam.IRole,
    *,
    client_id: str,
    bucket: s3.Bucket,
    distribution: cloudfront.Distribution | None,
    stores: DataStores,
    secrets: list[str],
) -> None:
    """Adds all rights of the workspace to its task role. `secrets` are names of SSM parameters."""
    _grant_site(role, bucket)
    if distribution:
        distribution.grant_create_invalidation(role)
    _grant_artifacts(role, client_id, stores.artifacts)
    role.add_to_principal_policy(
        iam.PolicyStatement(
            actions=["dynamodb:GetItem", "dynamodb:UpdateItem"],
            resources=[stores.sessions.table_arn, stores.commands.table_arn],
            conditions=own_items(client_id),
        )
    )
    stack = Stack.of(role)
    # AWS' own key `aws/ssm` decrypts for whoever may read the parameter (AWS KMS developer guide, "AWS managed keys").
    _allow(role, ["ssm:GetParameter"], [arn(stack, "ssm", f"parameter{name}") for name in secrets])
    # Task tokens are no resource that a permission could name (service authorization reference, Step Functions).
    _allow(role, ["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"], ["*"])
    accept_wildcards(role, "IAM has no resource for a task token.", "*")
    accept_wildcards(
        role,
        "A workspace writes any page of its own site, and any object of its own client's artifacts.",
        bucket.arn_for_objects("*"),
        stores.artifacts.arn_for_objects(f"{client_id}/*"),
    )


def grant_bedrock(role: iam.IRole, site: SiteConfig) -> None:
    """Adds the right to invoke the site's model, and no other. The model proxy needs it for `modelProvider` bedrock."""
    stack, named = Stack.of(role), model_resource(site.model or "")
    if named is None:
        raise ValueError(f"{site.client_id}: {site.model} is no model of Bedrock")
    actions = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
    region = site.model_region or stack.region
    model = named.model_arn(stack.partition, region)
    profile = named.profile_arn(stack.partition, region, stack.account)
    _allow(role, ["bedrock:CountTokens"], [model])
    accept_wildcards(role, "A profile sends to regions that Bedrock chooses. The model stays this one.", model)
    if profile is None:
        _allow(role, actions, [model])
        return
    _allow(role, actions, [profile])
    # Bedrock asks for the model behind the profile too, in each region that the profile sends to (Bedrock User Guide,
    # "Geographic cross-Region inference").
    role.add_to_principal_policy(
        iam.PolicyStatement(
            actions=actions,
            resources=[model],
            conditions={"StringEquals": {"bedrock:InferenceProfileArn": profile}},
        )
    )


def _grant_site(role: iam.IRole, bucket: s3.Bucket) -> None:
    # A publish lists, puts (in parts too), copies an older version back and deletes. It asks by HeadObject for the version
    # that a put in parts made: that is authorized as GetObject.
    _allow(
        role,
        ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"],
        [bucket.arn_for_objects("*")],
    )
    _allow(role, ["s3:ListBucket"], [bucket.bucket_arn])


def _grant_artifacts(role: iam.IRole, client_id: str, artifacts: s3.Bucket) -> None:
    # Written out, because CDK's own grants cannot be limited to the client's prefix. The manifest's conditional put is
    # authorized as GetObject too (S3 User Guide, "Preventing object overwrites with conditional writes").
    _allow(
        role,
        [
            "s3:GetObject",
            "s3:PutObject",
            # An upload with tags needs this right (S3 API reference, PutObject, "Permissions").
            "s3:PutObjectTagging",
            "s3:DeleteObject",
            "s3:AbortMultipartUpload",
        ],
        [artifacts.arn_for_objects(f"{client_id}/*")],
    )
    role.add_to_principal_policy(
        iam.PolicyStatement(
            # Without ListBucket a missing key answers 403 instead of 404 (S3 API reference, GetObject).
            actions=["s3:ListBucket"],
            resources=[artifacts.bucket_arn],
            conditions={"StringLike": {"s3:prefix": [f"{client_id}/*"]}},
        )
    )


def _allow(role: iam.IRole, actions: list[str], resources: list[str]) -> None:
    role.add_to_principal_policy(iam.PolicyStatement(actions=actions, resources=resources))
