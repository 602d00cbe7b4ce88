"""Makes an older deployment live again by copying object versions within the bucket: no build, no upload.

A rollback is a deployment of its own: it can be rolled back too, and the next publish plans on it as on any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from secrets import token_hex

from botocore.exceptions import ClientError

from sitewright.contracts.names import deployment_key
from sitewright.publishing.errors import VERSION_GONE, NotRestorable, PublishError, shorten
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.objects import workers
from sitewright.publishing.objects.s3_retry import retry_s3
from sitewright.publishing.objects.upload import COPY_BYTES
from sitewright.publishing.plan import Plan
from sitewright.publishing.publish_result import PublishResult
from sitewright.publishing.publisher import Publish
from sitewright.publishing.site_files import StoredFile, stored_files
from sitewright.publishing.target import PublishTarget
from sitewright.retry import AwsError, error_code

ANNOUNCED_COPIES = 500
"""Minimum number of copies for a progress line. Fewer copies take too little time for one."""

SAMPLED_VERSIONS = workers.THREADS
"""How many versions, besides the last copy's, are checked at once before the first change.

Missing versions mostly have one cause that affects many: an emptied bucket, or a lifecycle rule. If only one version is
missing, it is mostly the root page's: it is written most often, and it is the last copy.
"""


def roll_back(target: PublishTarget, deployment: Manifest) -> PublishResult:
    """Makes the site contain the files of an older deployment again. Waits for another publish to end.

    Args:
        target: `s3` needs s3:GetObject, s3:GetObjectVersion, s3:PutObject and s3:DeleteObject on the site, s3:ListBucket and
            s3:ListBucketVersions on its bucket, s3:GetObject and s3:PutObject on the manifests. Without a right to list, S3
            answers 403 instead of 404 for a missing object. The API reference (HeadObject) does not tell which of the two
            rights counts for a version. The rollback takes the lease under a name of its own.
        deployment: the deployment's own manifest.

    Raises NotRestorable, which tells the site's state; PublishError, after which the next publish or rollback compares the
    whole bucket (RevertFailed: reverting failed too); PublishStopped.
    """
    # A session's id has no slash. Two rollbacks are two lease owners.
    target = replace(target, lease_owner=f"rollback/{token_hex(4)}")
    key, name = deployment_key(target.client_id, deployment.deployment_id), f"The deployment {deployment.deployment_id}"
    if deployment.client_id != target.client_id:
        raise _refusal(target.artifacts_bucket, key, f"{name} is one of {deployment.client_id}.")
    if deployment.bucket != target.bucket:
        text = f"{name} was one of the bucket {deployment.bucket}, the site's is {target.bucket} now."
        raise _refusal(target.artifacts_bucket, key, text)
    if not deployment.complete:
        raise _refusal(target.artifacts_bucket, key, f"{name} is not a whole site.")

    def check(plan: Plan, _manifest: Manifest | None, keep_lease: Callable[[], None]) -> list[str] | None:
        _check_copies(target, plan, keep_lease)
        return deployment.broken_paths

    return Publish(
        target,
        stored_files(deployment),
        deployment.commit,
        restoring=True,
        session_id=deployment.session_id,
        check_plan=check,
    ).run()


def _check_copies(target: PublishTarget, plan: Plan, keep_lease: Callable[[], None]) -> None:
    """Refuses a plan that would fail halfway, by a sample of its versions. Calls `keep_lease` about every second.

    Raises NotRestorable, PublishError, PublishStopped.
    """
    copies = [file for phase in plan.phases for file in phase if isinstance(file, StoredFile)]
    if unknown := [file.key for file in copies if file.version_id is None]:
        raise _refusal(target.bucket, unknown[0], f"Their older versions are not known: {shorten(unknown)}.")
    if large := [file.key for file in copies if file.size > COPY_BYTES]:
        raise _refusal(target.bucket, large[0], f"S3 copies no object above 5 GB within a bucket: {shorten(large)}.")
    # Checking thousands of versions would take as long as copying them.
    sample = [*copies[: -1 : max(1, -(-(len(copies) - 1) // SAMPLED_VERSIONS))], *copies[-1:]]
    if gone := _gone(target, sample, keep_lease):
        raise _refusal(target.bucket, gone[0], f"Their older versions are not stored any more: {shorten(gone)}.")
    if len(copies) >= ANNOUNCED_COPIES:
        target.progress(f"Copying the older versions of {len(copies):,} files")


def _gone(target: PublishTarget, copies: Sequence[StoredFile], keep_lease: Callable[[], None]) -> list[str]:
    gone: list[StoredFile] = []

    def check(file: StoredFile) -> None:
        if not _is_stored(target, file):
            gone.append(file)

    workers.for_each(copies, check, keep_lease)
    return sorted(file.key for file in gone)


def _is_stored(target: PublishTarget, file: StoredFile) -> bool:
    def head() -> None:
        if target.small_objects is not None:
            target.small_objects.head(target.bucket, file)
        else:
            target.s3.head_object(Bucket=target.bucket, Key=file.key, VersionId=file.version_id or "")

    def get() -> None:
        target.s3.get_object(Bucket=target.bucket, Key=file.key, VersionId=file.version_id or "", Range="bytes=0-0")

    try:
        try:
            retry_s3(head, target.guard.check_stop)
        except ClientError as error:
            if error_code(error) != "400":
                raise
            # The id may come from an earlier bucket of this name, or a token expired. Only an answer with a body tells which.
            retry_s3(get, target.guard.check_stop)
    except AwsError as error:
        if error_code(error) in VERSION_GONE:
            return False
        raise PublishError.of(target.bucket, file.key, error) from error
    return True


def _refusal(bucket: str, key: str, text: str) -> NotRestorable:
    return NotRestorable(bucket, key, "NotRestorable", text)
