"""The manifest: what the site's bucket contains by our records. The publisher writes it, record_sync checks it."""

import gzip
import json
import zlib
from typing import Self

from sitewright.contracts.base import Contract

ASSET_GRACE_MS = 24 * 60 * 60 * 1000
"""Minimum time between the end of an asset's last page and the asset's deletion, because open pages still load it.

The asset stays longer while a kept deployment contains it.
"""


HEAD_BYTES = 4096
"""What is read of a stored manifest for its head. All fields but `files` have less than 1 KB."""

LEASE_SECONDS = 60
"""How long a lease lasts without renewal."""


_FILES = ',"files":{'


class ManifestEntry(Contract):
    """One object of the site."""

    md5: str
    """Hex digest of the content; equals S3's ETag of a single-part upload."""
    size: int
    content_type: str
    cache_control: str
    etag: str | None = None
    """The object's ETag as S3 returned it, without quotes (differs from md5 for multipart uploads)."""
    version_id: str | None = None
    """The object's version, which a rollback copies. None if no publish of ours wrote the object."""
    retired_at: int | None = None
    """Since when the newest build does not contain the asset (ms); None for a file of the newest build."""
    due: bool = False
    """Set by record_sync once neither an open page nor a rollback can need the asset: the next publish deletes it."""


class Manifest(Contract):
    """All objects of a site by key, and the deployment that produced them."""

    client_id: str
    bucket: str
    """The bucket of these objects. A site whose `domain` changed gets another bucket, which is empty at first."""
    deployment_id: str
    commit: str | None = None
    session_id: str | None = None
    """The session that published the commit first; a rollback keeps it. Its checkpoint has the commit until git has it."""
    complete: bool = True
    """False after a partial or failed publish: files of another build are live too, or some files are missing."""
    created_at: int
    reconcile: bool = False
    """Set when bucket and manifest may differ: the next publish lists the bucket and repairs it."""
    lease_owner: str | None = None
    """The current publisher: a session's id, or `rollback/` and digits; None while nobody publishes. Taken and released by
    conditional writes, so that publishers take turns. The lease expires if the manifest is not written again within
    LEASE_SECONDS. A new workspace of the same session need not wait: the claim has fenced off the old workspace."""
    files: dict[str, ManifestEntry] = {}
    """`head_of` reads what stands before it."""
    broken_paths: list[str] | None = None
    """Paths of the site that its pages name and that lead nowhere. None: not known, or too many. A publish is not refused
    for them."""

    @property
    def settled(self) -> bool:
        """Whether the site is exactly this deployment: whole, without drift, and no publish is under way."""
        return self.complete and not self.reconcile and self.lease_owner is None

    def to_bytes(self) -> bytes:
        """Returns the manifest as it is stored: JSON, gzipped (20,001 files: 5 MB of text)."""
        return gzip.compress(self.to_json().encode(), compresslevel=1, mtime=0)

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Parses a stored manifest. Raises ValueError; pydantic's ValidationError is one."""
        try:
            return cls.model_validate_json(gzip.decompress(stored))
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"the manifest cannot be unpacked: {error}") from error

    @classmethod
    def head_of(cls, beginning: bytes) -> Self:
        """Parses the first HEAD_BYTES of a stored manifest, without its files: with 20,001 files it has 5 MB of text.

        Raises ValueError.
        """
        try:
            text = (
                zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(beginning, 4 * HEAD_BYTES).decode("utf-8", "replace")
            )
        except zlib.error as error:
            raise ValueError(f"the manifest cannot be unpacked: {error}") from error
        head, found, _ = text.partition(_FILES)
        if not found:
            raise ValueError("the manifest does not begin with its head")
        return cls.model_validate(json.loads(head + "}"))
