"""Makes an older deployment live again, by copies within the bucket: nothing is built, nothing is sent.

A rollback is a deployment of its own, so that it can be rolled back too, and the next publish plans on it as on any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from secrets import token_hex
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from sitewright.contracts.names import deployment_key
from sitewright.publishing.errors import GONE, NotRestorable, PublishError, names, patiently
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.objects import workers
from sitewright.publishing.objects.upload import COPY_BYTES
from sitewright.publishing.plan import Plan
from sitewright.publishing.publish_result import Outcome
from sitewright.publishing.publisher import Publish
from sitewright.publishing.site_files import StoredFile, stored_files
from sitewright.publishing.target import Open, Quick, Site
from sitewright.retry import AwsError, error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MANY = 500
"""From so many copies on a rollback takes long enough to be told what it is at."""

LOOKS = workers.THREADS
"""So many versions, and that of the last copy, are asked for before anything is changed: all at once. What S3 does not have any
more is mostly gone for one reason, a bucket that was emptied or somebody's lifecycle rule, and then one of them is too; or it
is the page that was written most often, which is mostly the root page, the last copy."""


def read_deployment(s3: S3Client, artifacts: str, client_id: str, deployment_id: str) -> Manifest:
    """A deployment's own manifest. Raises NotRestorable (it has none any more, or none that can be read), PublishError."""
    key = deployment_key(client_id, deployment_id)
    try:
        body = patiently(lambda: s3.get_object(Bucket=artifacts, Key=key)["Body"].read(), lambda: None)
        return Manifest.from_bytes(body)
    except AwsError as error:
        if error_code(error) not in GONE:
            raise PublishError.of(artifacts, key, error) from error
        raise _refused(artifacts, key, f"The deployment {deployment_id} has no manifest (any more).") from error
    except ValueError as error:
        raise _refused(artifacts, key, f"The manifest of {deployment_id} cannot be read: {error}") from error


def roll_back(
    s3: S3Client,
    *,
    bucket: str,
    artifacts: str,
    client_id: str,
    target: Manifest,
    log: Callable[..., None],
    progress: Callable[[str], None],
    quick: Quick | None = None,
) -> Outcome:
    """Makes the site hold the files of `target` again. Waits for a publish that is under way.

    Args:
        s3: needs s3:GetObject, s3:GetObjectVersion, s3:PutObject, s3:DeleteObject on the site, s3:ListBucket and
            s3:ListBucketVersions on its bucket, s3:GetObject and s3:PutObject on the manifests. Without a right to list, S3 says
            403, not 404, of what is not there (API reference, HeadObject; which right counts for a version, it leaves open).
        bucket: holds the site.
        artifacts: holds the manifests.
        client_id: whose site.
        target: the deployment's own manifest.
        log: as `StepContext.log`.
        progress: a line for a human.
        quick: copies small objects, and looks whether they are there; None: `s3` does.

    Raises NotRestorable, which says what the site is now; PublishError, after which the next publish or rollback compares
    the whole bucket (NotPutBack: the way back failed too).
    """
    # No session's id has a slash, and two rollbacks are two holders.
    holder = f"rollback/{token_hex(4)}"
    site = Site(s3, bucket, artifacts, client_id, holder, Open(), log, progress, quick)
    key = deployment_key(client_id, target.deployment_id)
    if target.client_id != client_id:
        raise _refused(artifacts, key, f"The deployment {target.deployment_id} is one of {target.client_id}.")
    if target.bucket != bucket:
        text = (
            f"The deployment {target.deployment_id} was one of the bucket {target.bucket}, the site's is {bucket} now."
        )
        raise _refused(artifacts, key, text)
    if not target.complete:
        raise _refused(artifacts, key, f"The deployment {target.deployment_id} is not a whole site.")
    return Publish(
        site,
        stored_files(target),
        target.commit,
        restoring=True,
        examine=lambda plan, alive: _examine(site, plan, alive),
    ).run()


def _examine(site: Site, plan: Plan, alive: Callable[[], None]) -> None:
    """Refuses what would fail halfway, as far as that is quickly found out; `alive` is called all the time.

    Raises NotRestorable, PublishError, StepStopped.
    """
    copies = [file for phase in plan.phases for file in phase if isinstance(file, StoredFile)]
    if unknown := [file.key for file in copies if file.version_id is None]:
        raise _refused(site.bucket, unknown[0], f"Their older versions are not known: {names(unknown)}.")
    if large := [file.key for file in copies if file.size > COPY_BYTES]:
        raise _refused(site.bucket, large[0], f"S3 copies no object above 5 GB within a bucket: {names(large)}.")
    # To ask for each of thousands would take as long as the copies. The rest is found out by copying.
    asked = [*copies[: -1 : max(1, -(-(len(copies) - 1) // LOOKS))], *copies[-1:]]
    if gone := _gone(site, asked, alive):
        raise _refused(site.bucket, gone[0], f"Their older versions are not stored any more: {names(gone)}.")
    if len(copies) >= MANY:
        site.progress(f"Copying the older versions of {len(copies):,} files")


def _gone(site: Site, copies: Sequence[StoredFile], alive: Callable[[], None]) -> list[str]:
    gone: list[StoredFile] = []

    def look(file: StoredFile) -> None:
        if not _is_there(site, file):
            gone.append(file)

    workers.for_each(copies, look, alive)
    return sorted(file.key for file in gone)


def _is_there(site: Site, file: StoredFile) -> bool:
    def head() -> None:
        if site.quick is not None:
            site.quick.head(site.bucket, file)
        else:
            site.s3.head_object(Bucket=site.bucket, Key=file.key, VersionId=file.version_id or "")

    def get() -> None:
        site.s3.get_object(Bucket=site.bucket, Key=file.key, VersionId=file.version_id or "", Range="bytes=0-0")

    try:
        try:
            patiently(head, site.guard.check_stop)
        except ClientError as error:
            if error_code(error) != "400":
                raise
            # An id of a bucket before this one, or a token that has expired: only an answer with a body tells.
            patiently(get, site.guard.check_stop)
    except AwsError as error:
        if error_code(error) in GONE:
            return False
        raise PublishError.of(site.bucket, file.key, error) from error
    return True


def _refused(bucket: str, key: str, text: str) -> NotRestorable:
    return NotRestorable(bucket, key, "NotRestorable", text)
