"""What a publish came to, and the name of the deployment that it made."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sitewright.contracts.error_codes import ErrorInfo


@dataclass(frozen=True)
class Outcome:
    """What a publish did. `error` is set if it is not whole."""

    deployment_id: str
    uploaded: int = 0
    deleted: int = 0
    unchanged: int = 0
    error: ErrorInfo | None = None
    stale: tuple[str, ...] = ()
    """Keys of which a cache in front of the bucket may hold an old copy."""
    lost: tuple[str, ...] = ()
    """Assets of older pages that somebody deleted or overwrote and that are not stored any more, sorted."""


def deployment_id(now: int, commit: str | None) -> str:
    """An id that sorts by time: UTC to the millisecond, and the commit's first digits."""
    moment = datetime.fromtimestamp(now / 1000, UTC)
    return f"{moment:%Y%m%dT%H%M%S}{now % 1000:03d}Z-{(commit or 'none')[:8]}"
