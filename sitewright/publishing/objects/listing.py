"""What is in the site's bucket."""

from collections.abc import Callable
from typing import Any

from sitewright.publishing.errors import PublishError, patiently
from sitewright.publishing.plan import Listed
from sitewright.publishing.target import Site
from sitewright.retry import AwsError


def objects(site: Site, check: Callable[[], None]) -> dict[str, Listed]:
    """Every object of the site. Raises PublishError, and what `check` raises, which is called before each request."""
    found: dict[str, Listed] = {}
    more: dict[str, str] = {}
    while True:
        check()
        page = _page(site, more, check)
        found.update((item["Key"], Listed(item["ETag"].strip('"'), item["Size"])) for item in page.get("Contents", []))
        if not page.get("IsTruncated"):
            return found
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _page(site: Site, more: dict[str, str], check: Callable[[], None]) -> Any:
    try:
        return patiently(lambda: site.s3.list_objects_v2(Bucket=site.bucket, **more), check)  # type: ignore[arg-type]
    except AwsError as error:
        raise PublishError.of(site.bucket, "", error) from error
