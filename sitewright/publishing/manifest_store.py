"""Reads and conditionally writes the live manifest, and stores each deployment's own manifest."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from sitewright.contracts.names import deployment_key
from sitewright.publishing.errors import VERSION_GONE, NotRestorable, PublishError
from sitewright.publishing.manifest import HEAD_BYTES, Manifest
from sitewright.publishing.objects.listing import list_objects
from sitewright.publishing.objects.s3_retry import retry_s3
from sitewright.publishing.target import PublishTarget
from sitewright.retry import AwsError, error_code

_CONFLICTS = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409", "404"}
"""Error codes of a conditional PutObject that lost: 412; 409 during another write; 404 if the object is gone.

Source: S3 User Guide, "Preventing object overwrites with conditional writes".
"""

_ATTEMPTS = 5
_TYPE = "application/gzip"


class ManifestChanged(Exception):
    """Another writer replaced the manifest after it was read."""


@dataclass(frozen=True)
class StoredManifest:
    """The live manifest as it was read from S3."""

    manifest: Manifest | None = None
    """None if no manifest is stored, or the stored one is unreadable."""
    etag: str | None = None
    """None if no manifest is stored."""
    modified: float = 0.0
    """When S3 stored it, by S3's clock (seconds)."""
    age: float = 0.0
    """Seconds between `modified` and S3's answer, by S3's clock."""


def read(target: PublishTarget, known: StoredManifest | None = None) -> StoredManifest:
    """Reads the live manifest. Downloads nothing if `known` is still current: then returns it with its new age.

    Raises PublishError, PublishStopped.
    """

    def get() -> tuple[Any, bytes]:
        answer: Any = target.s3.get_object(Bucket=target.artifacts_bucket, Key=target.manifest_key, **condition)
        return answer, answer["Body"].read()

    condition: dict[str, Any] = {"IfNoneMatch": known.etag} if known is not None and known.etag else {}
    try:
        answer, body = retry_s3(get, target.guard.check_stop)
    except ClientError as error:
        if known is not None and error_code(error) in {"304", "NotModified"}:
            return replace(known, age=_age(error.response, known.modified))
        # The caller's right to list is limited to the client's prefix. S3 may ignore it for GetObject, and answer 403
        # for a missing key. If a manifest exists after all, the conditional write is refused.
        if error_code(error) in {"NoSuchKey", "404", "AccessDenied", "403"}:
            return StoredManifest()
        raise PublishError.of(target.artifacts_bucket, target.manifest_key, error) from error
    except AwsError as error:
        raise PublishError.of(target.artifacts_bucket, target.manifest_key, error) from error
    modified = answer["LastModified"].timestamp()
    try:
        manifest = Manifest.from_bytes(body)
        if manifest.client_id != target.client_id:
            raise ValueError(f"it is the manifest of {manifest.client_id}")
        if manifest.bucket != target.bucket:
            raise ValueError(f"it is the manifest of the bucket {manifest.bucket}")
    except ValueError as error:
        target.log("the manifest is unreadable: the bucket is listed", key=target.manifest_key, error=str(error)[:300])
        return StoredManifest(etag=answer["ETag"], modified=modified)
    return StoredManifest(manifest, answer["ETag"], modified, _age(answer, modified))


def read_head(target: PublishTarget) -> Manifest | None:
    """Reads the live manifest without its files, by one small request. None if none is stored, or it is unreadable.

    Raises PublishError, PublishStopped.
    """

    def get() -> bytes:
        first = f"bytes=0-{HEAD_BYTES - 1}"
        answer = target.s3.get_object(Bucket=target.artifacts_bucket, Key=target.manifest_key, Range=first)
        return answer["Body"].read(HEAD_BYTES)

    try:
        manifest = Manifest.head_of(retry_s3(get, target.guard.check_stop))
    except ClientError as error:
        # The codes as in `read`, and the one of an empty object.
        if error_code(error) in {"NoSuchKey", "404", "AccessDenied", "403", "InvalidRange", "416"}:
            return None
        raise PublishError.of(target.artifacts_bucket, target.manifest_key, error) from error
    except AwsError as error:
        raise PublishError.of(target.artifacts_bucket, target.manifest_key, error) from error
    except ValueError as error:
        target.log("the manifest's head is unreadable", key=target.manifest_key, error=str(error)[:300])
        return None
    return manifest if (manifest.client_id, manifest.bucket) == (target.client_id, target.bucket) else None


def _age(answer: Any, modified: float) -> float:
    # Both times are S3's, to the second; the local clock may be minutes off.
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date).timestamp() - modified if date else 0.0


def write(target: PublishTarget, body: bytes, etag: str | None, check: Callable[[], None]) -> str:
    """Writes the live manifest if its stored ETag is still `etag` (None: if none is stored). Returns the new ETag.

    Args:
        target: the site.
        body: `Manifest.to_bytes`.
        etag: as it was read.
        check: called between attempts; may raise.

    Raises ManifestChanged, PublishError, and what `check` raises.
    """
    condition: dict[str, Any] = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}

    def put() -> Any:
        return target.s3.put_object(
            Bucket=target.artifacts_bucket, Key=target.manifest_key, Body=body, ContentType=_TYPE, **condition
        )

    for attempt in range(_ATTEMPTS):
        try:
            answer = retry_s3(put, check)
        except AwsError as error:
            if error_code(error) not in _CONFLICTS:
                raise PublishError.of(target.artifacts_bucket, target.manifest_key, error) from error
        else:
            return str(answer["ETag"])
        # An unanswered request may have been carried out. Its repetition then conflicts with its own result.
        stored_etag, stored_body = read_raw(target, check)
        if stored_body == body and stored_etag is not None:
            return stored_etag
        if stored_etag != etag:
            break
        time.sleep(0.1 * 2**attempt)
    raise ManifestChanged


def read_raw(target: PublishTarget, check: Callable[[], None]) -> tuple[str | None, bytes]:
    """Reads ETag and stored bytes of the live manifest; (None, b"") if none is stored. Raises PublishError."""

    def get() -> tuple[str, bytes]:
        answer = target.s3.get_object(Bucket=target.artifacts_bucket, Key=target.manifest_key)
        return answer["ETag"], answer["Body"].read()

    try:
        return retry_s3(get, check)
    except AwsError as error:
        if error_code(error) in {"NoSuchKey", "404"}:
            return None, b""
        raise PublishError.of(target.artifacts_bucket, target.manifest_key, error) from error


def request_reconcile(target: PublishTarget) -> None:
    """Marks the manifest so that the next publish lists the bucket: a late request may have changed another publisher's files.

    Leaves the manifest alone while it has a lease owner: record_sync checks that publisher's result. Errors are logged only,
    because the caller has failed already.
    """
    try:
        answer = target.s3.get_object(Bucket=target.artifacts_bucket, Key=target.manifest_key)
        manifest = Manifest.from_bytes(answer["Body"].read())
        if manifest.lease_owner is not None or manifest.reconcile:
            return
        body = manifest.model_copy(update={"reconcile": True}).to_bytes()
        target.s3.put_object(
            Bucket=target.artifacts_bucket,
            Key=target.manifest_key,
            Body=body,
            ContentType=_TYPE,
            IfMatch=answer["ETag"],
        )
    except (*AwsError, ValueError) as error:
        target.log("the manifest could not be marked for reconciling", level="warning", error=str(error)[:300])


def live_keys(target: PublishTarget) -> set[str]:
    """Returns the live keys: from the manifest, or from the bucket if the manifest cannot be trusted.

    Raises PublishError, PublishStopped.
    """
    manifest = read(target).manifest
    if manifest is not None and not manifest.reconcile:
        return set(manifest.files)
    return set(list_objects(target, target.guard.check_stop))


def read_deployment(target: PublishTarget, deployment_id: str) -> Manifest:
    """Reads a deployment's own manifest. Raises NotRestorable (not stored any more, or unreadable), PublishError."""
    key = deployment_key(target.client_id, deployment_id)
    bucket = target.artifacts_bucket
    try:
        body = retry_s3(lambda: target.s3.get_object(Bucket=bucket, Key=key)["Body"].read(), target.guard.check_stop)
        return Manifest.from_bytes(body)
    except AwsError as error:
        if error_code(error) not in VERSION_GONE:
            raise PublishError.of(bucket, key, error) from error
        text = f"The deployment {deployment_id} has no manifest (any more)."
        raise NotRestorable(bucket, key, "NotRestorable", text) from error
    except ValueError as error:
        text = f"The manifest of {deployment_id} cannot be read: {error}"
        raise NotRestorable(bucket, key, "NotRestorable", text) from error


def write_deployment(target: PublishTarget, deployment_id: str, body: bytes, check: Callable[[], None]) -> None:
    """Stores a deployment's own manifest, from which a rollback restores it. Raises PublishError, and what `check` raises."""
    key = deployment_key(target.client_id, deployment_id)

    def put() -> Any:
        return target.s3.put_object(Bucket=target.artifacts_bucket, Key=key, Body=body, ContentType=_TYPE)

    try:
        retry_s3(put, check)
    except AwsError as error:
        raise PublishError.of(target.artifacts_bucket, key, error) from error
