"""Lists the site's bucket."""

from collections.abc import Callable
from typing import Any

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
