"""The tables and the artifacts bucket."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from sitewright.contracts import expiry
from sitewright.tables import schema
from stacks.accepted_findings import accept

STRING = dynamodb.AttributeType.STRING


class DataStores(Construct):
    """The tables of sessions, commands, deployments and spending; the bucket of checkpoints, manifests and caches."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.sessions = self._table("Sessions", schema.CLIENT_SESSION)
        self.commands = self._table("Commands", schema.CLIENT_SESSION, schema.COMMAND_ID)
        self.commands.add_global_secondary_index(
            index_name=schema.OPEN_INDEX,
            partition_key=dynamodb.Attribute(name=schema.OPEN, type=STRING),
            sort_key=dynamodb.Attribute(name=schema.ACCEPTED_AT, type=dynamodb.AttributeType.NUMBER),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        self.deployments = self._table("Deployments", schema.CLIENT_ID, schema.DEPLOYMENT_ID)
        self.spending = self._table("Spending", schema.CLIENT_ID, schema.MONTH)
        self.artifacts = s3.Bucket(
            self,
            "Artifacts",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            # Checkpoints hold edits that are nowhere else. A workspace has no right to delete a version.
            versioned=True,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
            lifecycle_rules=[
                # A rule with tags can neither abort an upload nor delete a marker: neither has tags.
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=Duration.days(expiry.MULTIPART_DAYS),
                    noncurrent_version_expiration=Duration.days(expiry.ARTIFACT_VERSION_DAYS),
                    expired_object_delete_marker=True,
                ),
                _expiry(expiry.CHECKPOINT, expiry.CHECKPOINT_DAYS),
                _expiry(expiry.CACHE, expiry.CACHE_DAYS),
            ],
        )

        accept(
            self.artifacts,
            "Only the deployment's own roles read it. A log of each request would cost more than the bucket itself.",
            "AwsSolutions-S1",
            "CKV_AWS_18",
        )

    def _table(self, name: str, partition: str, sort: str | None = None) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            name,
            partition_key=dynamodb.Attribute(name=partition, type=STRING),
            sort_key=dynamodb.Attribute(name=sort, type=STRING) if sort else None,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute="ttl",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )


def _expiry(value: str, days: int) -> s3.LifecycleRule:
    return s3.LifecycleRule(tag_filters={expiry.TAG: value}, expiration=Duration.days(days))
