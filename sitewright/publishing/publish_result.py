"""The result of a publish, and the id of its deployment."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sitewright.contracts.error_codes import ErrorInfo


@dataclass(frozen=True)
class PublishResult:
    """The result of a publish. `error` is set if the publish could not be completed."""

    deployment_id: str
    uploaded: int = 0
    deleted: int = 0
    unchanged: int = 0
    error: ErrorInfo | None = None
    stale: tuple[str, ...] = ()
    """Keys of which a cache in front of the bucket may have an outdated copy."""
    lost: tuple[str, ...] = ()
    """Assets of older pages that were deleted or overwritten manually and whose versions are not stored any more, sorted."""
    removed_pages: tuple[str, ...] = ()
    """Keys of deleted pages whose addresses lead nowhere now, sorted."""
    broken_links: int = 0
    """Paths of the site's own host that the changed pages name and that lead nowhere."""
    notes: tuple[str, ...] = ()
    """Sentences for the response's summary."""


def make_deployment_id(now: int, commit: str | None) -> str:
    """Makes an id that sorts by time: UTC to the millisecond, and the commit's first digits."""
    moment = datetime.fromtimestamp(now / 1000, UTC)
    return f"{moment:%Y%m%dT%H%M%S}{now % 1000:03d}Z-{(commit or 'none')[:8]}"
