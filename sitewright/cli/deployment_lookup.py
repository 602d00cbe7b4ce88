"""Reads a site's deployments and its live manifest from AWS."""

from sitewright.cli.aws_access import Access
from sitewright.cli.deployment_history import History, Live, worth_listing
from sitewright.contracts.records import SiteEntry
from sitewright.local.errors import LocalError
from sitewright.publishing import manifest_store
from sitewright.publishing.after_publish.retention import RECORDS_PER_QUERY
from sitewright.publishing.errors import PublishError
from sitewright.publishing.manifest import LEASE_SECONDS
from sitewright.publishing.target import NoGuard, PublishTarget
from sitewright.retry import Backoff
from sitewright.tables.deployments import Deployments
from sitewright.tables.table import Table

BACKOFF = Backoff(seconds=1.6, first=0.05, longest=0.8)
"""For requests to the deployments table, in addition to boto3's own retries."""


class NotDone(LocalError):
    """A request to AWS failed, or a finished rollback could not be recorded."""


def read_history(access: Access, client_id: str, *, with_id: str | None = None) -> History:
    """Reads the deployments down to the oldest restorable one, and the record of `with_id` even if it is older.

    Raises NoSuchSite, NotDone, botocore's exceptions.
    """
    site = access.site(client_id)
    table = deployments(access, site)
    records = worth_listing(table.newest_first(client_id, page=RECORDS_PER_QUERY))
    if with_id is not None and all(record.deployment_id != with_id for record in records):
        found = table.read(client_id, with_id)
        records += [found] if found is not None else []
    return History(site, read_live(access, site), records)


def read_live(access: Access, site: SiteEntry) -> Live | None:
    """Reads the live deployment; None without a readable manifest. Raises NotDone."""
    try:
        stored = manifest_store.read(publish_target(access, site))
    except PublishError as error:
        raise NotDone(f"The site's manifest cannot be read: {error}.", "Try again; check your rights.") from error
    if stored.manifest is None:
        return None
    return Live(stored.manifest, publishing=stored.manifest.lease_owner is not None and stored.age < LEASE_SECONDS)


def publish_target(access: Access, site: SiteEntry) -> PublishTarget:
    """Describes the site for the publishing library. Logs nothing: the command prints the result."""
    return PublishTarget(
        s3=access.s3,
        bucket=site.bucket,
        artifacts_bucket=site.artifacts_bucket,
        client_id=site.client_id,
        lease_owner="",
        guard=NoGuard(),
        log=_ignore,
        progress=_ignore,
    )


def deployments(access: Access, site: SiteEntry) -> Deployments:
    """Returns the site's deployments table."""
    return Deployments(Table(access.dynamodb, site.deployments_table, BACKOFF))


def _ignore(*_: object, **__: object) -> None:
    pass
