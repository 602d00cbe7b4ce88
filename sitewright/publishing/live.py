"""What of the site is live, for a step that looks before it publishes."""

from workspace.step_context import StepContext

from sitewright.publishing import manifest_store
from sitewright.publishing.errors import PublishError
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.objects import listing
from sitewright.publishing.target import Site


def read_manifest(ctx: StepContext) -> Manifest | None:
    """The books of the site; None if there are none, or none that can be read."""
    try:
        return manifest_store.read(Site.of(ctx)).manifest
    except PublishError as error:
        ctx.log("the manifest cannot be read", level="warning", error=str(error))
        return None


def live_keys(ctx: StepContext) -> set[str]:
    """The keys that are live, by the books, or by the bucket where there are none. Raises PublishError, StepStopped."""
    site = Site.of(ctx)
    manifest = manifest_store.read(site).manifest
    if manifest is not None and not manifest.reconcile:
        return set(manifest.files)
    return set(listing.objects(site, site.guard.check_stop))
