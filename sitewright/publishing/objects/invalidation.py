"""Invalidates outdated copies in CloudFront, so that no visitor of an https site sees one after a publish.

3,000 paths and 15 wildcards may be in progress (CloudFront developer guide, "Concurrent invalidation request maximum").
The first 1,000 paths of a month are free, and a wildcard is one path (same guide, "Pay for file invalidation").
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.publishing.site_files import is_hashed

if TYPE_CHECKING:
    from mypy_boto3_cloudfront import CloudFrontClient

MAX_PATHS = 30
"""More paths than this (ten pages) become one wildcard. Its only cost: each edge fetches the assets once more."""

EVERYTHING = ("/*",)

_INDEX = "index.html"
_PLAIN = "/-._~!$&'()*+,;=:@"
"""The characters that browsers do not encode, besides letters and digits.

CloudFront misses a file unless exactly the non-ASCII and URL-unsafe characters are encoded ("What you need to know when
invalidating files", Invalidation paths).
"""


class InvalidationFailed(Exception):
    """CloudFront refused the invalidation or did not answer. The site is published nevertheless."""


def stale_keys(uploaded: Iterable[str], deleted: Iterable[str], live_before: Collection[str]) -> list[str]:
    """Returns the keys whose cached copies are outdated, sorted.

    A new hashed asset has no cached copy. One that was live before had drifted, and its copy may be wrong.

    Args:
        uploaded: keys that were sent.
        deleted: keys that were deleted.
        live_before: keys that were live before the publish.
    """
    return sorted({*deleted, *(key for key in uploaded if not is_hashed(key) or key in live_before)})


def invalidation_paths(keys: Iterable[str]) -> tuple[str, ...]:
    """Returns the paths to invalidate, encoded and sorted; one wildcard for more than MAX_PATHS.

    A page is cached as `/x/index.html`, because the function at the edge rewrites `/x/` to it. CloudFront's documentation
    asks for the path before the rewriting too ("What you need to know when invalidating files").
    """
    found: set[str] = set()
    for key in keys:
        names = [key]
        if key == _INDEX or key.endswith(f"/{_INDEX}"):
            folder = key.removesuffix(_INDEX)
            names += [folder, folder.rstrip("/")]
        # A file name that ends in a star becomes a wildcard, which includes that file.
        found |= {quote(f"/{name}", safe=_PLAIN) for name in names}
        if len(found) > MAX_PATHS:
            return EVERYTHING
    return tuple(sorted(found))


def invalidate(
    distribution_id: str | None,
    deployment_id: str,
    paths: tuple[str, ...],
    client: Callable[[], CloudFrontClient],
) -> bool:
    """Creates one invalidation for a deployment. Returns whether there was anything to invalidate.

    Args:
        distribution_id: None for a site without CloudFront.
        deployment_id: the caller reference, so that a repeated request creates no second invalidation.
        paths: from `invalidation_paths`, or EVERYTHING.
        client: makes the client, only if it is needed.

    Raises InvalidationFailed.
    """
    if distribution_id is None or not paths:
        return False
    try:
        client().create_invalidation(
            DistributionId=distribution_id,
            InvalidationBatch={
                "CallerReference": deployment_id,
                "Paths": {"Quantity": len(paths), "Items": list(paths)},
            },
        )
    except (ClientError, BotoCoreError) as error:
        raise InvalidationFailed(str(error)) from error
    return True
