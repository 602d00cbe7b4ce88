"""The deployments of a site, and to which one a rollback goes. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sitewright.contracts.expiry import DEPLOYMENTS_KEPT
from sitewright.contracts.records import DeploymentRecord, SiteEntry
from sitewright.local.errors import LocalError
from sitewright.publishing.after_publish.retention import is_restorable
from sitewright.publishing.manifest import Manifest


class CannotRollBack(LocalError):
    """There is no way to the deployment that was asked for."""


@dataclass(frozen=True)
class Live:
    """What visitors get."""

    manifest: Manifest
    publishing: bool
    """Somebody publishes at this moment."""

    @property
    def id(self) -> str:
        """The deployment that made the bucket what it is."""
        return self.manifest.deployment_id

    def remarks(self) -> list[str]:
        """What is not as it should be, for a person."""
        said = []
        if self.publishing:
            said.append(f"A publish is under way ({self.manifest.lease_owner}).")
        elif self.manifest.lease_owner is not None:
            said.append(f"A publish of {self.manifest.lease_owner} broke off; the next one completes it.")
        if not self.manifest.complete and not self.publishing:
            said.append(
                f"The live deployment {self.id} is not whole: files of another one are live beside its own, or some are missing."
            )
        elif self.manifest.reconcile and self.manifest.lease_owner is None:
            said.append(
                "The bucket may not be as it should: other hands changed it, or a publish or a rollback broke off; "
                "the next one compares and repairs it."
            )
        return said


@dataclass(frozen=True)
class History:
    """A site's deployments."""

    site: SiteEntry
    live: Live | None
    """None if nothing was ever published."""
    records: Sequence[DeploymentRecord]
    """Newest first."""

    def remarks(self) -> list[str]:
        """What is not as it should be, for a person."""
        if self.live is None:
            return []
        said = self.live.remarks()
        if self.live.manifest.complete and not any(map(self.is_live, self.records)):
            said.append(
                f"The live deployment {self.live.id} has no record: its check failed or is under way, or a rollback broke off."
            )
        if lost := next((record.lost_count for record in self.records if self.is_live(record)), 0):
            said.append(
                f"{lost} assets of older pages were deleted or changed by other hands and are not stored any more: "
                "a deployment with one of them cannot be restored."
            )
        return said

    def is_live(self, record: DeploymentRecord) -> bool:
        """Whether this one made the bucket what it is."""
        return self.live is not None and record.deployment_id == self.live.id

    def is_target(self, record: DeploymentRecord) -> bool:
        """Whether a rollback can go there."""
        return is_restorable(record) and not self.is_live(record)

    def previous(self) -> DeploymentRecord:
        """The last complete deployment before the live one; the last of all if the books of the site are lost.

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
            self.where_to_look,
        )

    def chosen(self, deployment_id: str) -> DeploymentRecord:
        """The deployment of this id, if a rollback can go there. Raises CannotRollBack.

        The live one is no mistake: somebody may have changed the site by hand, which the books do not tell.
        """
        found = next((record for record in self.records if record.deployment_id == deployment_id), None)
        if found is None:
            raise CannotRollBack(
                f"There is no deployment {deployment_id!r} of {self.site.client_id}.", self.where_to_look
            )
        if not found.deploy_success:
            raise CannotRollBack(f"{deployment_id} failed: there is nothing whole to go back to.", self.where_to_look)
        if not is_restorable(found):
            raise CannotRollBack(
                f"{deployment_id} is beyond the retention: the newest {DEPLOYMENTS_KEPT} deployments can be restored.",
                "Its commit is in git still: publish it with a message, or choose another.",
            )
        return found

    @property
    def where_to_look(self) -> str:
        """The remedy of most mistakes."""
        return f"`sitewright deployments --client {self.site.client_id}` lists what there is."


def worth_listing(newest_first: Iterable[DeploymentRecord]) -> list[DeploymentRecord]:
    """The records down to the oldest that a rollback can go to; further back, reading ends."""
    found: list[DeploymentRecord] = []
    complete = 0
    for record in newest_first:
        found.append(record)
        complete += is_restorable(record)
        if complete == DEPLOYMENTS_KEPT:
            break
    return found
