"""Finds the registered site of a client."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from sitewright.contracts.names import SITE_PARAMETER_PREFIX
from sitewright.contracts.records import SiteEntry
from sitewright.retry import error_code

CACHE_MS = 60_000


@dataclass(frozen=True)
class SiteRegistry:
    """The SSM parameters that the site stacks write, each read once a minute. `now` gives milliseconds."""

    ssm: Any
    now: Callable[[], int]
    _cache: dict[str, tuple[int, SiteEntry]] = field(default_factory=dict, repr=False)

    def find(self, client_id: str) -> SiteEntry | None:
        """Returns the client's site; None for an unknown client."""
        cached = self._cache.get(client_id)
        if cached and self.now() - cached[0] < CACHE_MS:
            return cached[1]
        try:
            value = self.ssm.get_parameter(Name=f"{SITE_PARAMETER_PREFIX}{client_id}")["Parameter"]["Value"]
        except ClientError as error:
            if error_code(error) != "ParameterNotFound":
                raise
            return None
        entry = SiteEntry.model_validate_json(value)
        self._cache[client_id] = (self.now(), entry)
        return entry
