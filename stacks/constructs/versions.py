"""How long the older versions of a site's objects stay: without an end each publish would leave some behind for good."""

from aws_cdk import Duration
from aws_cdk import aws_s3 as s3

from sitewright.contracts import expiry


def lifecycle_rules() -> list[s3.LifecycleRule]:
    """The rules of a site's bucket."""
    days = Duration.days(expiry.VERSION_DAYS)
    return [
        s3.LifecycleRule(
            # A version expires when it is noncurrent for longer than the days *and* that many newer noncurrent ones are
            # there (S3 User Guide, "Lifecycle configuration elements").
            noncurrent_versions_to_retain=expiry.VERSIONS_KEPT,
            noncurrent_version_expiration=days,
            expired_object_delete_marker=True,
            abort_incomplete_multipart_upload_after=Duration.days(expiry.MULTIPART_DAYS),
        ),
        s3.LifecycleRule(prefix=expiry.HASHED_PREFIX, noncurrent_version_expiration=days),
    ]
