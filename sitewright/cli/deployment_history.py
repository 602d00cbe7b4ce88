"""The deployments of a site, and the choice of the one that a rollback restores. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sitewright.contracts.expiry import DEPLOYMENTS_KEPT
from sitewright.contracts.records import DeploymentRecord, SiteEntry
from sitewright.local.errors import LocalError
from sitewright.publishing.after_publish.retention import is_restorable
from sitewright.publishing.manifest import Manifest


class CannotRollBack(LocalError):
    """The requested deployment cannot be restored."""


@dataclass(frozen=True)
class Live:
    """The live deployment."""

    manifest: Manifest
    publishing: bool
    """Whether a publisher has the lease, and the lease has not expired."""

    @property
    def id(self) -> str:
        """The live deployment's id."""
        return self.manifest.deployment_id

    def remarks(self) -> list[str]:
        """Describes the faults of the live deployment, for a person."""
        remarks = []
        if self.publishing:
            remarks.append(f"A publish is under way ({self.manifest.lease_owner}).")
        elif self.manifest.lease_owner is not None:
            remarks.append(f"A publish of {self.manifest.lease_owner} broke off; the next one completes it.")
        if not self.manifest.complete and not self.publishing:
            remarks.append(
                f"The live deployment {self.id} is not whole: files of another one are live beside its own, or some are missing."
            )
        elif self.manifest.reconcile and self.manifest.lease_owner is None:
            remarks.append(
                "The bucket may not be as it should: other hands changed it, or a publish or a rollback broke off; "
                "the next one compares and repairs it."
            )
        return remarks

    def as_json(self) -> dict[str, Any]:
        """Returns the part `live` of `deployments --json`."""
        return {
            "deploymentId": self.id,
            "commit": self.manifest.commit,
            "complete": self.manifest.complete,
            "reconcile": self.manifest.reconcile,
            "publishing": self.manifest.lease_owner if self.publishing else None,
        }


@dataclass(frozen=True)
class History:
    """A site's deployments."""

    site: SiteEntry
    live: Live | None
    """None if nothing was ever published, or the manifest is lost."""
    records: Sequence[DeploymentRecord]
    """Newest first."""

    def remarks(self) -> list[str]:
        """Describes the faults of the site, for a person."""
        if self.live is None:
            return []
        remarks = self.live.remarks()
        if self.live.manifest.complete and not any(map(self.is_live, self.records)):
            remarks.append(
                f"The live deployment {self.live.id} has no record: its check failed or is under way, or a rollback broke off."
            )
        if lost := next((record.lost_count for record in self.records if self.is_live(record)), 0):
            remarks.append(
                f"{lost} assets of older pages were deleted or changed by other hands and are not stored any more: "
                "a deployment with one of them cannot be restored."
            )
        return remarks

    def as_json(self) -> dict[str, Any]:
        """Returns the output of `deployments --json`."""
        return {
            "clientId": self.site.client_id,
            "siteUrl": self.site.site_url,
            "live": self.live and self.live.as_json(),
            "deployments": [
                {
                    **record.model_dump(mode="json", by_alias=True, exclude={"client_id", "manifest_key", "ttl"}),
                    "live": self.is_live(record),
                    "rollbackTarget": self.is_target(record),
                }
                for record in self.records
            ],
        }

    def is_live(self, record: DeploymentRecord) -> bool:
        """Tells whether the record's deployment is live."""
        return self.live is not None and record.deployment_id == self.live.id

    def is_target(self, record: DeploymentRecord) -> bool:
        """Tells whether the deployment is restorable and not live."""
        return is_restorable(record) and not self.is_live(record)

    def previous(self) -> DeploymentRecord:
        """Returns the newest restorable deployment before the live one; without a manifest, the newest of all.

        Raises CannotRollBack.
        """
        for record in self.records:
            if is_restorable(record) and (self.live is None or record.deployment_id < self.live.id):
                return record
        if self.live is None:
            raise CannotRollBack(
                f"Nothing of {self.site.client_id} is published.", "Send a message: its run publishes the site."
            )
        raise CannotRollBack(
            f"There is nothing to go back to: no complete deployment before the live one ({self.live.id}).",
            self.list_hint,
        )

    def chosen(self, deployment_id: str) -> DeploymentRecord:
        """Returns the deployment of this id. Raises CannotRollBack if it cannot be restored.

        The live deployment is allowed, because the manifest does not show manual changes of the site.
        """
        found = next((record for record in self.records if record.deployment_id == deployment_id), None)
        if found is None:
            raise CannotRollBack(f"There is no deployment {deployment_id!r} of {self.site.client_id}.", self.list_hint)
        if not found.deploy_success:
            raise CannotRollBack(f"{deployment_id} failed: there is nothing whole to go back to.", self.list_hint)
        if not is_restorable(found):
            raise CannotRollBack(
                f"{deployment_id} is beyond the retention: the newest {DEPLOYMENTS_KEPT} deployments can be restored.",
                "Its commit is in git still: publish it with a message, or choose another.",
            )
        return found

    @property
    def list_hint(self) -> str:
        """The remedy for a wrong deployment id."""
        return f"`sitewright deployments --client {self.site.client_id}` lists what there is."


def worth_listing(newest_first: Iterable[DeploymentRecord]) -> list[DeploymentRecord]:
    """Returns the records down to the oldest restorable one. Reads no older ones."""
    found: list[DeploymentRecord] = []
    restorable = 0
    for record in newest_first:
        found.append(record)
        restorable += is_restorable(record)
        if restorable == DEPLOYMENTS_KEPT:
            break
    return found
