"""What a publish has done so far, and what of the site is live at this moment."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from sitewright.publishing.manifest import ManifestEntry
from sitewright.publishing.objects.invalidation import stale
from sitewright.publishing.plan import Heal, Plan, entry_of
from sitewright.publishing.site_files import Sent, SiteFile


@dataclass
class Ledger:
    """One publish's. What the threads note is safe to be noted by many of them."""

    live: dict[str, ManifestEntry] = field(default_factory=dict)
    """By key. What is to be healed is in it until it is, or cannot be."""
    before: frozenset[str] | None = None
    """The keys that were live before anything was done, by the first plan; None as long as that is not known."""
    wanted: set[str] = field(default_factory=set)
    """The keys that are sent, or were to be."""
    uploaded: set[str] = field(default_factory=set)
    deleted: int = 0
    sent: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Assets of older pages that were to be healed and are not stored any more."""
    missing: list[str] = field(default_factory=list)
    """What was to be put back and is not stored any more."""
    unhealed: set[str] = field(default_factory=set)
    """Assets that are in the books and not in the bucket."""
    doubtful: set[str] = field(default_factory=set)
    """The keys of requests that are under way, or that failed and may have been carried out all the same, now or later."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, plan: Plan) -> None:
        """What is live is what the plan says."""
        self.live = dict(plan.live)
        self.unhealed = {heal.file.key for heal in plan.heals}
        self.wanted.update(file.key for phase in plan.phases for file in phase)
        if self.before is None:
            self.before = frozenset(self.live)

    def settle(self, plan: Plan) -> None:
        """Entries that change without a write."""
        self.live.update(plan.settled)

    def put(self, file: SiteFile, sent: Sent) -> None:
        """A file was sent."""
        with self.lock:
            self.live[file.key] = entry_of(file, sent.etag, sent.version_id)
            self.uploaded.add(file.key)
            self.sent.append(file.key)

    def healed(self, heal: Heal, sent: Sent) -> None:
        """An asset of older pages is there again."""
        key = heal.file.key
        entry = entry_of(heal.file, sent.etag, sent.version_id)
        with self.lock:
            self.unhealed.discard(key)
            self.sent.append(key)
            self.live[key] = entry.model_copy(update={"retired_at": heal.retired_at})

    def not_healed(self, heal: Heal) -> None:
        """An asset of older pages is lost."""
        key = heal.file.key
        with self.lock:
            self.unhealed.discard(key)
            self.lost.append(key)
            if heal.there is not None:
                self.live[key] = heal.there
            else:
                del self.live[key]

    def took_away(self, keys: Iterable[str]) -> None:
        """Objects were deleted."""
        for key in keys:
            self.live.pop(key, None)
            self.deleted += 1
            self.gone.append(key)

    def entries(self) -> dict[str, ManifestEntry]:
        """What is live, by key, sorted."""
        with self.lock:
            return dict(sorted(self.live.items()))

    @property
    def changed(self) -> bool:
        """Whether something of the site was changed, or may have been."""
        return bool(self.sent or self.gone or self.doubtful)

    @property
    def stale(self) -> tuple[str, ...]:
        """The keys whose cached copies are old."""
        return tuple(stale(self.sent, self.gone, self.before or ()))
