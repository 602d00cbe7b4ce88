"""Plans a publish: compares the build's files with the live objects. Pure."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sitewright.publishing.manifest import Manifest, ManifestEntry
from sitewright.publishing.site_files import ListedObject, SiteFile, StoredFile, is_hashed, may_be_page

UNKNOWN = ""
"""Stands for a digest in doubt, and for the headers of an object that is in the bucket but not in the manifest."""


@dataclass(frozen=True)
class Heal:
    """An asset of older pages that was deleted or overwritten manually. Open pages still load it, and a rollback needs it."""

    file: StoredFile
    """The version that the manifest names."""
    retired_at: int
    replacement: ManifestEntry | None
    """The object now stored under the key: it becomes the manifest's entry if the version is not stored any more."""


@dataclass(frozen=True)
class Plan:
    """The work of a publish, in this order: `phases`, `heals`, `deletes`."""

    phases: tuple[tuple[SiteFile, ...], ...]
    """Uploads. A phase begins when the previous one is done: hashed assets, other files, pages, the root page. New keys come
    before replaced ones, among the other files and among the pages."""
    heals: tuple[Heal, ...]
    """Copies of older versions within the bucket. The newest pages load none of them."""
    deletes: tuple[str, ...]
    settled: Mapping[str, ManifestEntry]
    """Entries that change without a write: assets that retire now, or that are in use again."""
    live: Mapping[str, ManifestEntry]
    """The live objects before the publish, and the assets to heal."""

    @property
    def writes(self) -> bool:
        """Whether the plan changes the bucket at all."""
        return bool(self.deletes or self.heals or any(self.phases))


PlanCheck = Callable[[Plan, Manifest | None, Callable[[], None]], list[str] | None]
"""Checks a plan on the live manifest before it is carried out. Returns the `broken_paths` of the next manifest; may raise.

A slow check has to call its last argument every few seconds, in one thread. That call renews the lease, if one is
taken, and raises if the publish has to end.
"""


def unchecked(_plan: Plan, manifest: Manifest | None, _keep_lease: Callable[[], None]) -> list[str] | None:
    """The check of a publish without a judge."""
    return manifest.broken_paths if manifest is not None else None


def needs_listing(manifest: Manifest | None) -> bool:
    """Tells whether the manifest cannot be trusted, so that the bucket has to be listed."""
    return manifest is None or manifest.reconcile or manifest.lease_owner is not None


def make_plan(
    files: Iterable[SiteFile],
    manifest: Manifest | None,
    listing: Mapping[str, ListedObject] | None,
    now: int,
    *,
    resend_retired: bool = False,
) -> Plan:
    """Compares a build with the live objects.

    Args:
        files: the build.
        manifest: the live manifest; None if it is missing or unreadable.
        listing: the bucket's objects, which take precedence over the manifest; None to trust the manifest.
        now: milliseconds since the epoch.
        resend_retired: whether to send retired assets again when the build uses them. No live page shows whether they are
            still stored.
    """
    local = {file.key: _newest(file, manifest) for file in files}
    found = _live(manifest, listing)
    heals = {} if manifest is None else _heals(manifest.files, found, local, now)
    live = found | {key: manifest.files[key] for key in heals if manifest is not None}
    uploads = [file for file in local.values() if not _same(file, live.get(file.key))]
    if resend_retired:
        uploads += _unchanged_retired(local, live)
    sent = {file.key for file in uploads}
    settled: dict[str, ManifestEntry] = {}
    deletes = []
    for key, entry in live.items():
        if key in local:
            if key not in sent and (entry.retired_at is not None or entry.due):
                settled[key] = entry.model_copy(update={"retired_at": None, "due": False})
        elif not is_hashed(key) or entry.due:
            deletes.append(key)
        elif entry.retired_at is None and key not in heals:
            settled[key] = entry.model_copy(update={"retired_at": now})
    return Plan(
        phases=_phases(uploads, live),
        heals=tuple(heals.values()),
        deletes=tuple(sorted(deletes, key=lambda key: (not may_be_page(key), key))),
        settled=settled,
        live=live,
    )


def entry_of(file: SiteFile, etag: str | None, version_id: str | None = None) -> ManifestEntry:
    """Makes the manifest's entry of a sent file."""
    return ManifestEntry(
        md5=file.md5,
        size=file.size,
        content_type=file.content_type,
        cache_control=file.cache_control,
        etag=etag,
        version_id=version_id,
    )


def _live(manifest: Manifest | None, listing: Mapping[str, ListedObject] | None) -> dict[str, ManifestEntry]:
    known = manifest.files if manifest else {}
    if listing is None:
        return dict(known)
    found = {}
    for key, listed in listing.items():
        entry = known.get(key)
        if entry is None or listed.etag != (entry.etag or entry.md5):
            # A listing has no headers, so an object that the manifest does not know is sent again.
            entry = ManifestEntry(
                md5=listed.etag,
                size=listed.size,
                content_type=UNKNOWN,
                cache_control=UNKNOWN,
                etag=listed.etag,
                retired_at=entry.retired_at if entry else None,
                due=entry.due if entry else False,
            )
        found[key] = entry
    return found


def _heals(
    known: Mapping[str, ManifestEntry], found: Mapping[str, ManifestEntry], local: Mapping[str, SiteFile], now: int
) -> dict[str, Heal]:
    heals = {}
    for key, entry in known.items():
        if not is_hashed(key) or key in local or entry.due or entry.version_id is None or found.get(key) is entry:
            continue
        file = StoredFile(key, entry.version_id, entry.md5, entry.size, entry.content_type, entry.cache_control)
        replacement = found.get(key)
        retired_at = now if entry.retired_at is None else entry.retired_at
        heals[key] = Heal(file, retired_at, replacement and replacement.model_copy(update={"retired_at": retired_at}))
    return heals


def _unchanged_retired(local: Mapping[str, SiteFile], live: Mapping[str, ManifestEntry]) -> Iterator[SiteFile]:
    for key, file in local.items():
        entry = live.get(key)
        if entry is not None and entry.retired_at is not None and _same(file, entry):
            yield file


def _newest(file: SiteFile, manifest: Manifest | None) -> SiteFile:
    # Older versions of hashed keys expire by age alone. Of equal versions the newest one is certainly stored.
    entry = manifest.files.get(file.key) if manifest is not None and is_hashed(file.key) else None
    if entry is None or entry.version_id is None or not isinstance(file, StoredFile) or not _same(file, entry):
        return file
    return replace(file, version_id=entry.version_id)


def _same(file: SiteFile, entry: ManifestEntry | None) -> bool:
    return entry is not None and (file.md5, file.content_type, file.cache_control) == (
        entry.md5,
        entry.content_type,
        entry.cache_control,
    )


def _phases(files: Iterable[SiteFile], live: Collection[str]) -> tuple[tuple[SiteFile, ...], ...]:
    phases: tuple[list[SiteFile], ...] = ([], [], [], [], [], [])
    for file in sorted(files, key=lambda file: file.key):
        phases[_rank(file.key, is_new=file.key not in live)].append(file)
    return tuple(tuple(phase) for phase in phases)


def _rank(key: str, *, is_new: bool) -> int:
    # A page may go live only after all files that it loads. Visitors load a replaced file at once: pages link to each other
    # and share `/site.css`. So the new files that it refers to have to be sent before it.
    if is_hashed(key):
        return 0
    if key == "index.html":
        return 5
    return (3 if may_be_page(key) else 1) + (not is_new)
