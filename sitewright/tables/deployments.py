"""The deployments table: one record for each publish or rollback of a site. The sort key sorts by time."""

from collections.abc import Iterator
from dataclasses import dataclass

from sitewright.contracts.records import DeploymentRecord
from sitewright.tables.keys import deployment_key
from sitewright.tables.table import Table, Update

_KNOWN = "attribute_exists(deploymentId)"


@dataclass(frozen=True)
class Deployments:
    """The deployments table."""

    table: Table

    def read(self, client_id: str, deployment_id: str) -> DeploymentRecord | None:
        """Returns the record, read consistently."""
        item = self.table.get(deployment_key(client_id, deployment_id))
        return DeploymentRecord.from_item(item) if item is not None else None

    def newest_first(self, client_id: str, *, page: int) -> Iterator[DeploymentRecord]:
        """Yields the client's records, read consistently in pages of `page`. Reads a page only when it is needed."""
        found = self.table.query(
            "clientId = :client", {":client": client_id}, ScanIndexForward=False, Limit=page, ConsistentRead=True
        )
        yield from map(DeploymentRecord.from_item, found)

    def put(self, record: DeploymentRecord) -> bool:
        """Writes the record of a command's deployment; may be repeated. False if the record is another command's."""
        return self.table.put(
            record.to_item(),
            "attribute_not_exists(deploymentId) OR (sessionId = :session AND commandId = :command)",
            values={":session": record.session_id, ":command": record.command_id},
        )

    def note_drift(self, client_id: str, deployment_id: str, keys: list[str], count: int) -> bool:
        """Writes the first keys of a drift and the number of all. Returns False if there is no such record."""
        update = Update("SET drift = :keys, driftCount = :count", _KNOWN, {":keys": keys, ":count": count})
        return self.table.write(deployment_key(client_id, deployment_id), update)

    def retire(self, client_id: str, deployment_id: str, ttl: int) -> bool:
        """Notes that the deployment's manifest is deleted, and lets the record expire (seconds since the epoch)."""
        update = Update("SET #ttl = :ttl REMOVE manifestKey", _KNOWN, {":ttl": ttl}, {"#ttl": "ttl"})
        return self.table.write(deployment_key(client_id, deployment_id), update)
