"""Lists the site's bucket."""

from collections.abc import Callable
from typing import Any

from sitewright.publishing import manifest_store
from sitewright.publishing.errors import PublishError
from sitewright.publishing.objects.s3_retry import retry_s3
from sitewright.publishing.site_files import ListedObject
from sitewright.publishing.target import PublishTarget
from sitewright.retry import AwsError


def list_objects(target: PublishTarget, check: Callable[[], None]) -> dict[str, ListedObject]:
    """Returns every object of the site by key. Calls `check` before each request.

    Raises PublishError, and what `check` raises.
    """
    found: dict[str, ListedObject] = {}
    start: dict[str, Any] = {}
    while True:
        check()
        page = _page(target, start, check)
        for item in page.get("Contents", []):
            found[item["Key"]] = ListedObject(item["ETag"].strip('"'), item["Size"])
        if not page.get("IsTruncated"):
            return found
        start = {"ContinuationToken": page["NextContinuationToken"]}


def _page(target: PublishTarget, start: dict[str, Any], check: Callable[[], None]) -> Any:
    try:
        return retry_s3(lambda: target.s3.list_objects_v2(Bucket=target.bucket, **start), check)
    except AwsError as error:
        raise PublishError.of(target.bucket, "", error) from error


def live_keys(target: PublishTarget) -> set[str]:
    """Returns the live keys: from the manifest, or from the bucket if the manifest cannot be trusted.

    Raises PublishError, PublishStopped.
    """
    manifest = manifest_store.read(target).manifest
    if manifest is not None and not manifest.reconcile:
        return set(manifest.files)
    return set(list_objects(target, target.guard.check_stop))
