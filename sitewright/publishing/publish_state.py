"""The changes that a publish has made so far, and the objects that are live now."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sitewright.contracts.error_codes import ErrorInfo
from sitewright.publishing.judgement.lost_pages import vanished
from sitewright.publishing.manifest import ManifestEntry
from sitewright.publishing.objects.invalidation import stale_keys
from sitewright.publishing.plan import UNKNOWN, Heal, Plan, entry_of
from sitewright.publishing.publish_result import PublishResult
from sitewright.publishing.site_files import SentObject, SiteFile

_UNKNOWN_ENTRY = ManifestEntry(md5=UNKNOWN, size=0, content_type=UNKNOWN, cache_control=UNKNOWN)


@dataclass
class PublishState:
    """The state of one publish. The `record_…` methods that worker threads call are thread safe."""

    live: dict[str, ManifestEntry] = field(default_factory=dict)
    """The live objects by key. An asset to heal is included until it turns out to be lost."""
    live_before: frozenset[str] | None = None
    """The keys that were live before the first change, by the first plan; None until there is a plan."""
    planned: set[str] = field(default_factory=set)
    """The keys of all uploads of all plans."""
    uploaded: set[str] = field(default_factory=set)
    deleted: int = 0
    sent_keys: list[str] = field(default_factory=list)
    deleted_keys: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Assets of older pages that could not be healed: their versions are not stored any more."""
    missing: list[str] = field(default_factory=list)
    """Keys that could not be reverted: their versions are not stored any more."""
    unhealed: set[str] = field(default_factory=set)
    """Assets that are in the manifest and not in the bucket."""
    in_doubt: set[str] = field(default_factory=set)
    """Keys of requests that are under way, or that failed and may still have been carried out, now or later."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, plan: Plan) -> None:
        """Takes over the plan's live objects."""
        self.live = dict(plan.live)
        self.unhealed = {heal.file.key for heal in plan.heals}
        self.planned.update(file.key for phase in plan.phases for file in phase)
        if self.live_before is None:
            self.live_before = frozenset(self.live)

    def record_settled(self, plan: Plan) -> None:
        """Records the entries that change without a write."""
        self.live.update(plan.settled)

    def record_upload(self, file: SiteFile, sent: SentObject) -> None:
        """Records a sent file."""
        with self.lock:
            self.live[file.key] = entry_of(file, sent.etag, sent.version_id)
            self.uploaded.add(file.key)
            self.sent_keys.append(file.key)

    def record_healed(self, heal: Heal, sent: SentObject) -> None:
        """Records a restored asset of older pages."""
        key = heal.file.key
        entry = entry_of(heal.file, sent.etag, sent.version_id)
        with self.lock:
            self.unhealed.discard(key)
            self.sent_keys.append(key)
            self.live[key] = entry.model_copy(update={"retired_at": heal.retired_at})

    def record_lost(self, heal: Heal) -> None:
        """Records an asset of older pages whose version is not stored any more."""
        key = heal.file.key
        with self.lock:
            self.unhealed.discard(key)
            self.lost.append(key)
            if heal.replacement is not None:
                self.live[key] = heal.replacement
            else:
                del self.live[key]

    def record_deleted(self, keys: Iterable[str]) -> None:
        """Records deleted objects."""
        for key in keys:
            self.live.pop(key, None)
            self.deleted += 1
            self.deleted_keys.append(key)

    def entries(self) -> dict[str, ManifestEntry]:
        """The live objects by key, sorted."""
        with self.lock:
            return dict(sorted(self.live.items()))

    def doubted(self) -> dict[str, ManifestEntry]:
        """The entries of the keys that a manifest of these objects may be wrong about, with an unknown digest."""
        keys = self.in_doubt | self.unhealed
        return {key: self.live.get(key, _UNKNOWN_ENTRY).model_copy(update={"md5": UNKNOWN}) for key in keys}

    def result(self, deployment_id: str, files: Sequence[SiteFile], error: ErrorInfo | None) -> PublishResult:
        """The result so far of a publish of these files."""
        unchanged = len(files) - len(self.planned) if self.live_before is not None else 0
        return PublishResult(
            deployment_id,
            len(self.uploaded),
            self.deleted,
            unchanged,
            error,
            self.stale,
            tuple(sorted(self.lost)),
            tuple(vanished(self.deleted_keys, (file.key for file in files))),
        )

    @property
    def changed(self) -> bool:
        """Whether an object of the site was changed, or may have been."""
        return bool(self.sent_keys or self.deleted_keys or self.in_doubt)

    @property
    def stale(self) -> tuple[str, ...]:
        """The keys whose cached copies are outdated."""
        return tuple(stale_keys(self.sent_keys, self.deleted_keys, self.live_before or ()))
