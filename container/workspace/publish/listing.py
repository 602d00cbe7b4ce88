"""What is in the site's bucket: its objects, and their versions."""

from collections.abc import Callable, Iterator
from typing import Any

from workspace.publish.faults import AwsError, PublishError, patiently
from workspace.publish.plan import Listed
from workspace.publish.site import Site


def objects(site: Site, check: Callable[[], None]) -> dict[str, Listed]:
    """Every object of the site. Raises PublishError, and what `check` raises, which is called before each request."""
    return {
        item["Key"]: Listed(item["ETag"].strip('"'), item["Size"])
        for page in _pages(site, site.s3.list_objects_v2, _next_objects, check)
        for item in page.get("Contents", [])
    }


def versions(site: Site, check: Callable[[], None]) -> set[tuple[str, str]]:
    """Key and id of every stored version of an object. Raises as `objects`."""
    return {
        (item["Key"], item["VersionId"])
        for page in _pages(site, site.s3.list_object_versions, _next_versions, check)
        for item in page.get("Versions", [])
    }


def _pages(
    site: Site,
    request: Callable[..., Any],
    following: Callable[[Any], dict[str, str]],
    check: Callable[[], None],
) -> Iterator[Any]:
    more: dict[str, str] = {}
    while True:
        check()
        try:
            page = patiently(lambda more=more: request(Bucket=site.bucket, **more), check)  # type: ignore[misc]
        except AwsError as error:
            raise PublishError.of(site.bucket, "", error) from error
        yield page
        if not page.get("IsTruncated"):
            return
        more = following(page)


def _next_objects(page: Any) -> dict[str, str]:
    return {"ContinuationToken": page["NextContinuationToken"]}


def _next_versions(page: Any) -> dict[str, str]:
    return {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
