"""The bucket of a site, with the rules that delete older versions of its objects."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from sitewright.contracts import expiry
from stacks.accepted_findings import accept

NO_ACCESS_LOG = (
    "A log of each request would hold visitors' addresses, and cost more than it serves. The site is public."
)


def private_bucket(scope: Construct, name: str) -> s3.Bucket:
    """Creates the bucket of a site with `https`, which only the distribution may read."""
    bucket = s3.Bucket(
        scope,
        "Site",
        bucket_name=name,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        enforce_ssl=True,
        versioned=True,
        lifecycle_rules=lifecycle_rules(),
        removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    )
    accept(bucket, NO_ACCESS_LOG, "AwsSolutions-S1", "CKV_AWS_18")
    return bucket


def website_bucket(scope: Construct, name: str) -> s3.Bucket:
    """Creates the bucket of a site without `https`, which S3 itself serves to everybody."""
    bucket = s3.Bucket(
        scope,
        "Site",
        bucket_name=name,
        website_index_document="index.html",
        website_error_document="404.html",
        public_read_access=True,
        block_public_access=s3.BlockPublicAccess(
            block_public_acls=True,
            ignore_public_acls=True,
            block_public_policy=False,
            restrict_public_buckets=False,
        ),
        versioned=True,
        lifecycle_rules=lifecycle_rules(),
        removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    )
    accept(bucket, NO_ACCESS_LOG, "AwsSolutions-S1", "CKV_AWS_18")
    accept(
        bucket,
        "S3 serves the site to everybody, and its website endpoint speaks http only. `https` makes the bucket private.",
        "AwsSolutions-S2",
        "AwsSolutions-S5",
        "AwsSolutions-S10",
        "CKV_AWS_54",
        "CKV_AWS_56",
    )
    return bucket


def lifecycle_rules() -> list[s3.LifecycleRule]:
    """Returns the rules that delete older versions. Without them every publish would add versions that stay forever."""
    days = Duration.days(expiry.VERSION_DAYS)
    return [
        s3.LifecycleRule(
            # S3 deletes a version that is noncurrent for longer than the days *and* has that many newer noncurrent ones
            # (S3 User Guide, "Lifecycle configuration elements").
            noncurrent_versions_to_retain=expiry.versions_kept(),
            noncurrent_version_expiration=days,
            expired_object_delete_marker=True,
            abort_incomplete_multipart_upload_after=Duration.days(expiry.MULTIPART_DAYS),
        ),
        s3.LifecycleRule(prefix=expiry.HASHED_PREFIX, noncurrent_version_expiration=days),
    ]
