"""What of the site is live, for a step that looks before it publishes."""

from contracts.manifest import Manifest
from workspace.context import StepContext
from workspace.publish import books, listing
from workspace.publish.faults import PublishError
from workspace.publish.site import Site


def read_manifest(ctx: StepContext) -> Manifest | None:
    """The books of the site; None if there are none, or none that can be read."""
    try:
        return books.read(Site.of(ctx)).manifest
    except PublishError as error:
        ctx.log("the manifest cannot be read", level="warning", error=str(error))
        return None


def live_keys(ctx: StepContext) -> set[str]:
    """The keys that are live, by the books, or by the bucket where there are none. Raises PublishError, StepStopped."""
    site = Site.of(ctx)
    manifest = books.read(site).manifest
    if manifest is not None and not manifest.reconcile:
        return set(manifest.files)
    return set(listing.objects(site, site.guard.check_stop))
