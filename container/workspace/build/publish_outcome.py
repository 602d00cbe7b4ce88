"""Describes a publish in the fields of the step's result. Pure."""

from typing import Any

from sitewright.contracts.error_codes import ErrorInfo
from sitewright.contracts.steps import LOST_LISTED, PAGES_LISTED
from sitewright.publishing.pages.addresses import shown
from sitewright.publishing.publish_result import PublishResult


def outcome(published: PublishResult, not_invalidated: ErrorInfo | None) -> dict[str, Any]:
    """Returns the fields of BuildResult after a finished build. `not_invalidated` is the error of the invalidation."""
    return {
        "build_success": True,
        "deploy_success": published.error is None,
        "deployment_id": published.deployment_id,
        "uploaded": published.uploaded,
        "deleted": published.deleted,
        "unchanged": published.unchanged,
        "lost": list(published.lost[:LOST_LISTED]),
        "lost_count": len(published.lost),
        "pages_removed": [shown(key) for key in published.removed_pages[:PAGES_LISTED]],
        "pages_removed_count": len(published.removed_pages),
        "broken_links": published.broken_links,
        "error": published.error or not_invalidated,
    }
