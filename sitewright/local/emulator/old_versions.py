"""Older versions of artifacts: S3 deletes them after days, MiniStack runs no lifecycle rule and would keep them in memory."""

from typing import Any

from ministack.services import s3  # type: ignore[import-untyped]

ARTIFACTS = "storageartifacts"
"""In the name that CloudFormation makes up for the artifacts bucket. Rollbacks need the older versions of a site."""


def install() -> None:
    """Makes MiniStack forget an artifact's older versions as soon as they are older ones."""
    write, delete = s3._record_object_version, s3._record_delete_marker

    def writing(bucket: str, key: str, *given: Any) -> Any:
        made = write(bucket, key, *given)
        _forget(bucket, key)
        return made

    def deleting(bucket: str, key: str, *given: Any) -> Any:
        made = delete(bucket, key, *given)
        _forget(bucket, key)
        return made

    s3._record_object_version, s3._record_delete_marker = writing, deleting


def _forget(bucket: str, key: str) -> None:
    if ARTIFACTS not in bucket or (versions := s3._object_versions.get((bucket, key))) is None:
        return
    versions[:] = [version for version in versions if version["is_latest"] and not version.get("is_delete_marker")]
    if not versions:
        s3._object_versions.pop((bucket, key), None)
