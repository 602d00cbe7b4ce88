"""The live manifest: read, and written only on the condition that it is still the one we saw.

Two sessions of one site may publish at the same time. Without this the bucket would end as a mixture of both: each writes
what its own plan says, and deletes what the other just sent. So a publisher takes the site first, by the manifest's
`holder`, and keeps it by writing the manifest again before LEASE_SECONDS are over.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from sitewright.contracts.names import deployment_key
from sitewright.publishing.errors import PublishError, SiteTaken, patiently
from sitewright.publishing.manifest import LEASE_SECONDS, Manifest
from sitewright.publishing.target import Site
from sitewright.retry import AwsError, error_code

POLL_SECONDS = 0.5
RENEW_SECONDS = LEASE_SECONDS / 4
MARGIN_SECONDS = LEASE_SECONDS / 3
"""So long before somebody else may take the site, this publisher sends nothing more: a request may be on its way."""

_CONFLICTS = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409", "404"}
"""A conditional PutObject that lost: 412; 409 beside another write; 404 if the object is gone (S3 User Guide, "Preventing
object overwrites with conditional writes")."""

_ATTEMPTS = 5
_TYPE = "application/gzip"


class RaceLost(Exception):
    """The manifest is not the one that was seen any more."""


@dataclass(frozen=True)
class Seen:
    """The live manifest as it was found."""

    manifest: Manifest | None = None
    """None if there is none, or none that can be read."""
    etag: str | None = None
    """None if there is none."""
    modified: float = 0.0
    """When S3 wrote it, by S3's clock (seconds)."""
    age: float = 0.0
    """Seconds since then, by S3's clock."""


def read(site: Site) -> Seen:
    """The live manifest. Raises PublishError, StepStopped."""
    return look(site, Seen())


def look(site: Site, known: Seen) -> Seen:
    """The live manifest; the known one, aged, if it is still that. Raises PublishError, StepStopped."""

    def get() -> tuple[Any, bytes]:
        answer: Any = site.s3.get_object(Bucket=site.artifacts, Key=site.manifest_key, **condition)
        return answer, answer["Body"].read()

    condition: dict[str, Any] = {"IfNoneMatch": known.etag} if known.etag else {}
    try:
        answer, body = patiently(get, site.guard.check_stop)
    except ClientError as error:
        if error_code(error) in {"304", "NotModified"}:
            return replace(known, age=_age(error.response, known.modified))
        # 403 if the right to list, limited to the client's prefix, does not count for a GetObject. Should there be a manifest
        # after all, the conditional write is refused.
        if error_code(error) in {"NoSuchKey", "404", "AccessDenied", "403"}:
            return Seen()
        raise PublishError.of(site.artifacts, site.manifest_key, error) from error
    except AwsError as error:
        raise PublishError.of(site.artifacts, site.manifest_key, error) from error
    modified = answer["LastModified"].timestamp()
    try:
        manifest = Manifest.from_bytes(body)
        if manifest.client_id != site.client_id:
            raise ValueError(f"it is the manifest of {manifest.client_id}")
        if manifest.bucket != site.bucket:
            raise ValueError(f"it is the manifest of the bucket {manifest.bucket}")
    except ValueError as error:
        site.log("no manifest that can be read: the bucket is listed", key=site.manifest_key, error=str(error)[:300])
        return Seen(etag=answer["ETag"], modified=modified)
    return Seen(manifest, answer["ETag"], modified, _age(answer, modified))


def _age(answer: Any, modified: float) -> float:
    # Two times of S3's own clock, of a second's resolution; our own may be minutes off.
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date).timestamp() - modified if date else 0.0


def wait_for_turn(site: Site, *, patient: bool = True) -> Seen:
    """The live manifest once nobody else is publishing. Raises PublishError (SiteTaken if not `patient`), StepStopped."""
    seen, since, told = read(site), time.monotonic(), False
    while (holder := _other(site, seen)) is not None:
        # S3's own times tell how old a sign of life is; a holder is also given up after watching it in vain for so long.
        if seen.age > LEASE_SECONDS or time.monotonic() - since > LEASE_SECONDS:
            site.log("a publish gave no sign of life, its site is taken over", level="warning", holder=holder)
            break
        if not patient:
            raise SiteTaken(
                site.artifacts, site.manifest_key, "SiteTaken", f"Another publish of this site ({holder}) is under way."
            )
        if not told:
            site.progress("Waiting for another publish of this site")
            told = True
        time.sleep(POLL_SECONDS)
        site.guard.check_stop()
        before = seen.etag
        seen = look(site, seen)
        if seen.etag != before:
            since = time.monotonic()
    return seen


def _other(site: Site, seen: Seen) -> str | None:
    holder = seen.manifest.holder if seen.manifest else None
    return None if holder == site.holder else holder


def write(site: Site, body: bytes, etag: str | None, check: Callable[[], None]) -> str:
    """Writes the live manifest (`Manifest.to_bytes`) if it is still the one with this ETag (None: if there is none); the new ETag.

    Raises RaceLost, PublishError, and what `check` raises.
    """
    condition: dict[str, Any] = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}

    def put() -> Any:
        return site.s3.put_object(
            Bucket=site.artifacts, Key=site.manifest_key, Body=body, ContentType=_TYPE, **condition
        )

    for attempt in range(_ATTEMPTS):
        try:
            answer = patiently(put, check)
        except AwsError as error:
            if error_code(error) not in _CONFLICTS:
                raise PublishError.of(site.artifacts, site.manifest_key, error) from error
        else:
            return str(answer["ETag"])
        # A request that got no answer may have been carried out; its repetition then meets what it wrote itself.
        there, its_body = _stored(site, check)
        if its_body == body and there is not None:
            return there
        if there != etag:
            break
        time.sleep(0.1 * 2**attempt)
    raise RaceLost


def _stored(site: Site, check: Callable[[], None]) -> tuple[str | None, bytes]:
    def get() -> tuple[str, bytes]:
        answer = site.s3.get_object(Bucket=site.artifacts, Key=site.manifest_key)
        return answer["ETag"], answer["Body"].read()

    try:
        return patiently(get, check)
    except AwsError as error:
        if error_code(error) in {"NoSuchKey", "404"}:
            return None, b""
        raise PublishError.of(site.artifacts, site.manifest_key, error) from error


def write_deployment(site: Site, deployment_id: str, body: bytes, check: Callable[[], None]) -> None:
    """Stores a deployment's own manifest, from which a rollback to it works. Raises PublishError."""
    key = deployment_key(site.client_id, deployment_id)
    try:
        patiently(lambda: site.s3.put_object(Bucket=site.artifacts, Key=key, Body=body, ContentType=_TYPE), check)
    except AwsError as error:
        raise PublishError.of(site.artifacts, key, error) from error


def doubt(site: Site) -> None:
    """Has the next publish compare the whole bucket: a request of ours may have come after somebody else's.

    Who holds the site at this moment has a check of its own to come, and is left alone. Errors are logged: the one who
    calls has failed already.
    """
    try:
        answer = site.s3.get_object(Bucket=site.artifacts, Key=site.manifest_key)
        manifest = Manifest.from_bytes(answer["Body"].read())
        if manifest.holder is not None or manifest.reconcile:
            return
        body = manifest.model_copy(update={"reconcile": True}).to_bytes()
        site.s3.put_object(
            Bucket=site.artifacts, Key=site.manifest_key, Body=body, ContentType=_TYPE, IfMatch=answer["ETag"]
        )
    except (*AwsError, ValueError) as error:
        site.log("the next publish could not be warned", level="warning", error=str(error)[:300])


class Lease:
    """The site, taken. Every write is on the condition that nobody else wrote since our last one."""

    def __init__(self, site: Site, body: bytes, etag: str | None) -> None:
        """Takes it. Raises RaceLost, PublishError, StepStopped."""
        self._site = site
        began = time.monotonic()
        self._etag = write(site, body, etag, site.guard.check_stop)
        self._note(began)

    def check(self) -> None:
        """Raises SiteTaken once the lease may be over. Cheap."""
        if time.monotonic() > self._until:
            raise self._lost("This publish could not renew its hold of the site in time")

    @property
    def is_due(self) -> bool:
        """Whether it is time to write the manifest again."""
        return time.monotonic() > self._next

    def renew(self, body: bytes) -> None:
        """Writes the manifest, with which the lease begins anew. A fault that passes is left to the next time.

        Raises SiteTaken, StepStopped.
        """
        began = time.monotonic()
        try:
            self._write(body)
        except SiteTaken:
            raise
        except PublishError as error:
            self._next = time.monotonic() + 1.0
            self._site.log("the hold of the site is not renewed yet", level="warning", error=str(error))
            return
        self._note(began)

    def give_back(self, body: bytes) -> None:
        """Writes the manifest of what is live now, without a holder. Raises SiteTaken, PublishError."""
        self._write(body)

    def _note(self, began: float) -> None:
        # Counted from before the request: S3's LastModified is later.
        self._until = began + LEASE_SECONDS - MARGIN_SECONDS
        self._next = began + RENEW_SECONDS

    def _write(self, body: bytes) -> None:
        try:
            self._etag = write(self._site, body, self._etag, self.check)
        except RaceLost as error:
            raise self._lost("Another publish took the site over from this one") from error

    def _lost(self, what: str) -> SiteTaken:
        text = f"{what}; the site is as the other one makes it, and the next publish compares it with the bucket."
        return SiteTaken(self._site.artifacts, self._site.manifest_key, "SiteTaken", text)
