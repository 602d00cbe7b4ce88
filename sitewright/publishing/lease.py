"""The lease: a publisher's lock on its site.

Two sessions of one site may publish at the same time. Without a lock the bucket would end as a mixture: each publisher
follows its own plan, and deletes the other one's files. So a publisher first writes its name into the manifest's
`lease_owner`. It renews the lease by writing the manifest again within LEASE_SECONDS.
"""

import time

from sitewright.publishing import manifest_store
from sitewright.publishing.errors import LeaseUnavailable, PublishError
from sitewright.publishing.manifest import LEASE_SECONDS
from sitewright.publishing.manifest_store import ManifestChanged, StoredManifest
from sitewright.publishing.target import PublishTarget

POLL_SECONDS = 0.5
RENEW_SECONDS = LEASE_SECONDS / 4
MARGIN_SECONDS = LEASE_SECONDS / 3
"""This long before its lease can expire, a publisher stops sending: a request may still be under way."""


def wait_for_lease(target: PublishTarget, *, wait: bool = True) -> StoredManifest:
    """Waits until no other publisher has the lease, and returns the live manifest.

    Raises PublishError (LeaseUnavailable without `wait`), PublishStopped.
    """
    stored, since, announced = manifest_store.read(target), time.monotonic(), False
    while (owner := _other_owner(target, stored)) is not None:
        # S3's own times tell the age of the last renewal. A lease also counts as expired if the manifest did not change
        # while this publisher watched it for LEASE_SECONDS.
        if stored.age > LEASE_SECONDS or time.monotonic() - since > LEASE_SECONDS:
            target.log("a lease has expired and is taken over", level="warning", leaseOwner=owner)
            break
        if not wait:
            text = f"Another publish of this site ({owner}) is under way."
            raise LeaseUnavailable(target.artifacts_bucket, target.manifest_key, "LeaseUnavailable", text)
        if not announced:
            target.progress("Waiting for another publish of this site")
            announced = True
        time.sleep(POLL_SECONDS)
        target.guard.check_stop()
        before = stored.etag
        stored = manifest_store.read(target, stored)
        if stored.etag != before:
            since = time.monotonic()
    return stored


def _other_owner(target: PublishTarget, stored: StoredManifest) -> str | None:
    owner = stored.manifest.lease_owner if stored.manifest else None
    return None if owner == target.lease_owner else owner


class Lease:
    """A taken lease. Each write of the manifest demands that it is unchanged since this publisher's last write."""

    def __init__(self, target: PublishTarget, body: bytes, etag: str | None) -> None:
        """Takes the lease by writing `body`, a manifest that names the lease owner.

        Raises ManifestChanged, PublishError, PublishStopped.
        """
        self._target = target
        began = time.monotonic()
        self._etag = manifest_store.write(target, body, etag, target.guard.check_stop)
        self._start_period(began)

    def check(self) -> None:
        """Raises LeaseUnavailable once the lease may have expired. Sends no request."""
        if time.monotonic() > self._until:
            raise self._lost("This publish could not renew its lease of the site in time")

    @property
    def needs_renewal(self) -> bool:
        """Whether it is time to write the manifest again."""
        return time.monotonic() > self._next

    def renew(self, body: bytes) -> None:
        """Writes the manifest, which renews the lease. After a failed request the next call tries again.

        Raises LeaseUnavailable, PublishStopped.
        """
        began = time.monotonic()
        try:
            self._write(body)
        except LeaseUnavailable:
            raise
        except PublishError as error:
            self._next = time.monotonic() + 1.0
            self._target.log("the lease is not renewed yet", level="warning", error=str(error))
            return
        self._start_period(began)

    def release(self, body: bytes) -> None:
        """Writes the final manifest, which names no lease owner. Raises LeaseUnavailable, PublishError."""
        self._write(body)

    def _start_period(self, began: float) -> None:
        # Counted from before the request: S3's LastModified is later.
        self._until = began + LEASE_SECONDS - MARGIN_SECONDS
        self._next = began + RENEW_SECONDS

    def _write(self, body: bytes) -> None:
        try:
            self._etag = manifest_store.write(self._target, body, self._etag, self.check)
        except ManifestChanged as error:
            raise self._lost("Another publish took the site over from this one") from error

    def _lost(self, reason: str) -> LeaseUnavailable:
        text = f"{reason}; the site is as the other one makes it, and the next publish compares it with the bucket."
        return LeaseUnavailable(self._target.artifacts_bucket, self._target.manifest_key, "LeaseUnavailable", text)
