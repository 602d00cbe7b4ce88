"""Checks the bucket against the live manifest after a publish, and stores the result in the manifest."""

from dataclasses import replace

from sitewright.publishing import manifest_store
from sitewright.publishing.after_publish.drift import DriftReport, compare
from sitewright.publishing.errors import NotRestorable, PublishError
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.manifest_store import ManifestChanged
from sitewright.publishing.objects.listing import list_objects
from sitewright.publishing.target import PublishTarget

ATTEMPTS = 3


class NoManifestError(Exception):
    """A published site has no manifest. The text contains the remedy."""


def check_manifest(target: PublishTarget, deployment_id: str | None, needed_since: int | None) -> DriftReport:
    """Compares the bucket with the live manifest, and marks drift and due assets in it.

    Leaves the manifest alone and reports no drift if it has a lease owner, or belongs to a later deployment. The bucket then
    contains a mixture, and the later deployment gets a check of its own. A publisher sets `reconcile` before it touches the
    bucket, for the case that it dies halfway. If this check cleared the mark, the next publish would trust a wrong manifest.
    Any write would also take the lease away. The check's write is conditional, so it notices a publisher that starts
    meanwhile.

    Args:
        target: the site.
        deployment_id: the deployment to check; None for the live one.
        needed_since: see `compare`.

    Raises NoManifestError, ManifestChanged (another publisher wrote first in each of ATTEMPTS), ValueError (the manifest is
    unreadable), PublishError.
    """
    check = target.guard.check_stop
    for _ in range(ATTEMPTS):
        etag, manifest = _read(target)
        report = compare(manifest, list_objects(target, check), needed_since)
        if manifest.lease_owner is not None or (deployment_id and manifest.deployment_id != deployment_id):
            target.log(
                "another publish took over",
                level="warning",
                checked=deployment_id,
                now=manifest.deployment_id,
                leaseOwner=manifest.lease_owner,
            )
            return _of_its_own(target, deployment_id, replace(report, manifest=manifest, drift=[]))
        if report.manifest == manifest:
            return report
        try:
            manifest_store.write(target, report.manifest.to_bytes(), etag, check)
        except ManifestChanged:
            continue
        return report
    raise ManifestChanged(f"the manifest of {target.client_id} changed {ATTEMPTS} times during the check")


def _read(target: PublishTarget) -> tuple[str, Manifest]:
    where, code = f"s3://{target.artifacts_bucket}/{target.manifest_key}", "NoSuchKey"
    try:
        etag, body = manifest_store.read_raw(target, target.guard.check_stop)
    except PublishError as error:
        # S3 answers 403 for a missing key to a caller without the right to list (S3 API reference, GetObject, "Permissions").
        if error.code not in {"AccessDenied", "403"}:
            raise
        etag, body, code = None, b"", error.code
    if etag is None:
        raise NoManifestError(
            f"{where} is not there, or record_sync may not read it ({code}). "
            "The next publish lists the bucket and writes a new one."
        )
    return etag, Manifest.from_bytes(body)


def _of_its_own(target: PublishTarget, deployment_id: str | None, report: DriftReport) -> DriftReport:
    """Replaces the bucket's size by the size of the deployment itself, if its own manifest is stored."""
    try:
        own = manifest_store.read_deployment(target, deployment_id or "")
    except NotRestorable:
        return report
    except PublishError as error:
        if error.code not in {"AccessDenied", "403"}:
            raise
        return report
    return replace(report, files=len(own.files), bytes=sum(entry.size for entry in own.files.values()))
