"""Tells CloudFront which cached copies are old, so that no visitor of an https site is served one after a publish.

Limits and prices: CloudFront developer guide, "Concurrent invalidation request maximum" (3,000 paths, 15 wildcards in
progress) and "Pay for file invalidation" (the first 1,000 paths of a month are free, a wildcard is one path).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.publishing.site_files import is_hashed

if TYPE_CHECKING:
    from mypy_boto3_cloudfront import CloudFrontClient

MAX_PATHS = 30
"""More than that become one wildcard: ten pages. All it costs is that each edge fetches the assets once more."""

EVERYTHING = ("/*",)

_INDEX = "index.html"
_PLAIN = "/-._~!$&'()*+,;=:@"
"""What browsers send as it is, besides letters and digits. CloudFront wants what is not ASCII or unsafe in a URL encoded
and nothing else, or it misses the file ("What you need to know when invalidating files", Invalidation paths)."""


def stale(uploaded: Iterable[str], deleted: Iterable[str], live: Collection[str]) -> list[str]:
    """The keys whose cached copies are old. A new hashed asset has none; one that was live and is sent again had drifted.

    Args:
        uploaded: keys that were put.
        deleted: keys that are gone.
        live: keys there were before.
    """
    return sorted({*deleted, *(key for key in uploaded if not is_hashed(key) or key in live)})


def paths(keys: Iterable[str]) -> tuple[str, ...]:
    """The paths to invalidate, encoded, sorted; none for no keys, one wildcard for more than MAX_PATHS.

    A page is cached as `/x/index.html`, for the function at the edge makes that of `/x/`; CloudFront's documentation
    asks for the path before the rewriting as well ("What you need to know when invalidating files").
    """
    found: set[str] = set()
    for key in keys:
        names = [key]
        if key == _INDEX or key.endswith(f"/{_INDEX}"):
            folder = key.removesuffix(_INDEX)
            names += [folder, folder.rstrip("/")]
        # A star at the end is a wildcard, which takes the file that is called so with it.
        found |= {quote(f"/{name}", safe=_PLAIN) for name in names}
        if len(found) > MAX_PATHS:
            return EVERYTHING
    return tuple(sorted(found))


def invalidate(
    distribution_id: str | None,
    deployment_id: str,
    keys: Iterable[str],
    *,
    client: Callable[[], CloudFrontClient],
    log: Callable[..., None],
) -> ErrorInfo | None:
    """One invalidation a deployment; what went wrong, if it did: the site is published all the same.

    Args:
        distribution_id: None for a site without CloudFront: nothing is done.
        deployment_id: the caller's reference: a request that is sent twice is one invalidation.
        keys: whose cached copies are old, see `stale`.
        client: gives the client, which is not made where it is not needed.
        log: `log("message", key=value)`.
    """
    items = paths(keys)
    if distribution_id is None or not items:
        return None
    try:
        client().create_invalidation(
            DistributionId=distribution_id,
            InvalidationBatch={
                "CallerReference": deployment_id,
                "Paths": {"Quantity": len(items), "Items": list(items)},
            },
        )
    except (ClientError, BotoCoreError) as error:
        log("invalidation failed", level="error", distribution=distribution_id, error=str(error)[:500])
        return ErrorInfo.of(ErrorCode.INVALIDATION_FAILED, f"CloudFront distribution {distribution_id}: {error}")
    log("invalidated", distribution=distribution_id, paths=len(items))
    return None
