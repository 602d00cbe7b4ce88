"""Publishers of one site on a model of S3. A test can kill them at any request, or choose the order of requests."""

import hashlib
import re
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from sitewright.contracts.names import deployment_key, manifest_key
from sitewright.publishing import lease, publisher
from sitewright.publishing.errors import PublishError
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.objects import s3_retry, workers
from sitewright.publishing.publisher import Publish
from sitewright.publishing.rollback import roll_back
from sitewright.publishing.site_files import LocalFile, cache_control, content_type, is_hashed
from sitewright.publishing.target import NoGuard, PublishTarget, SmallObjectClient
from tests.support.publishing.model_s3 import ModelS3, Store

PAGES = ["index.html", "a.html", "b/index.html"]
Tree = dict[str, str]


def tree_of(pages: dict[str, int], others: set[str]) -> Tree:
    """Returns a build. Each page refers to the stylesheet of its number, and no other stylesheets exist."""
    made = {page: f"<link href='_astro/s.{number}.css'>" for page, number in pages.items()}
    made |= {f"_astro/s.{number}.css": f"body{{{number}}}" for number in pages.values()}
    return made | {name: f"{sorted(pages.items())}" for name in others}


TREES = st.builds(
    tree_of,
    st.dictionaries(st.sampled_from(PAGES), st.integers(1, 4), min_size=1),
    st.sets(st.sampled_from(["robots.txt", "feed.xml"])),
)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes pauses in the modules that import this fixture."""
    # One sender thread makes the order of requests the same in each run.
    monkeypatch.setattr(workers, "THREADS", 1)
    monkeypatch.setattr(lease.time, "sleep", lambda _: None)
    monkeypatch.setattr(s3_retry, "checked_sleep", lambda check: lambda _seconds: check())


class Killed(BaseException):
    """Stands for SIGKILL: no later request of this publisher reaches S3."""


@dataclass
class World:
    store: Store = field(default_factory=Store)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp()))

    def site(self, lease_owner: str, **hooks: Any) -> PublishTarget:
        s3: Any = ModelS3(self.store, **hooks)
        return PublishTarget(
            s3, "site", "artifacts", "amelia", lease_owner, NoGuard(), lambda *_, **__: None, lambda _: None
        )

    def files(self, tree: Tree) -> list[LocalFile]:
        return [self._file(key, text) for key, text in tree.items()]

    def publish(self, site: PublishTarget, tree: Tree, commit: str = "c" * 40) -> publisher.PublishResult:
        return Publish(site, self.files(tree), commit).run()

    def roll_back(
        self, deployment_id: str, small_objects: SmallObjectClient | None = None, **hooks: Any
    ) -> publisher.PublishResult:
        stored = self.store.newest("artifacts", deployment_key("amelia", deployment_id))
        assert stored is not None and stored.body is not None
        target = replace(self.site("", **hooks), small_objects=small_objects)
        return roll_back(target, Manifest.from_bytes(stored.body))

    def drift(self, key: str, body: bytes | None = None) -> None:
        """Deletes or writes an object like a manual change, and lets the check of the last publish find it."""
        self.store.add("site", key, body)
        manifest = self.manifest().model_copy(update={"reconcile": True})
        self.store.add("artifacts", manifest_key("amelia"), manifest.to_bytes())

    def manifest(self) -> Manifest:
        stored = self.store.newest("artifacts", manifest_key("amelia"))
        assert stored is not None and stored.body is not None
        return Manifest.from_bytes(stored.body)

    def live(self) -> Tree:
        return {key: body.decode() for key, body in self.store.live("site").items()}

    def check_pages(self) -> None:
        """Checks that every asset of a live page exists."""
        live = self.live()
        for key, text in live.items():
            if key.endswith(".html"):
                for wanted in re.findall(r"href='([^']+)'", text):
                    assert wanted in live, f"{key} refers to {wanted}"

    def check_is(self, tree: Tree) -> None:
        """Checks that the site is this build, besides retired assets, and that the manifest matches."""
        live, manifest = self.live(), self.manifest()
        assert {k: v for k, v in live.items() if k in tree} == tree
        assert all(is_hashed(key) for key in set(live) - set(tree))
        assert manifest.complete and not manifest.reconcile and manifest.lease_owner is None
        assert {k: e.etag for k, e in manifest.files.items()} == {
            k: hashlib.md5(v.encode()).hexdigest() for k, v in live.items()
        }
        assert {k for k, e in manifest.files.items() if e.retired_at is None} == set(tree)
        own = self.store.newest("artifacts", deployment_key("amelia", manifest.deployment_id))
        assert own is not None and own.body == manifest.to_bytes()
        self.check_pages()

    def _file(self, key: str, text: str) -> LocalFile:
        root = self.folder / hashlib.md5(text.encode()).hexdigest()
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_text(text)
        return LocalFile(key, str(root), root.name, len(text), content_type(key), cache_control(key))


def at_request(number: int, act: Callable[[], None]) -> Callable[[str, str], None]:
    counted = [0]

    def hook(*_: str) -> None:
        counted[0] += 1
        if counted[0] == number:
            act()

    return hook


def kill_from(number: int) -> Callable[[str, str], None]:
    counted = [0]

    def hook(*_: str) -> None:
        counted[0] += 1
        if counted[0] >= number:
            raise Killed

    return hook


@dataclass
class Turns:
    """Lets the publishers send one request at a time, in the order of `order`, then alternately."""

    order: list[int]
    alive: set[int]
    waiting: set[int] = field(default_factory=set)
    turn: int | None = None
    last: int | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)

    def hook(self, me: int) -> Callable[[str, str], None]:
        def before(*_: str) -> None:
            with self.changed:
                self.waiting.add(me)
                self._choose()
                while self.turn != me:
                    assert self.changed.wait(20), "the turns are stuck"
                self.waiting.discard(me)
                self.turn = None

        return before

    def done(self, me: int) -> None:
        with self.changed:
            self.alive.discard(me)
            self._choose()

    def _choose(self) -> None:
        if self.turn is None and self.alive and self.waiting >= self.alive:
            wanted = self.order.pop(0) if self.order else None
            if wanted not in self.alive:
                wanted = min(self.alive, key=lambda who: (who == self.last, who))
            self.turn = self.last = wanted
            self.changed.notify_all()


def side_by_side(
    world: World, order: list[int], works: list[Callable[[PublishTarget], Any]], lease_owners: list[str]
) -> list[Any]:
    turns, results = Turns(order, set(range(len(works)))), list[Any]([None] * len(works))

    def run(me: int) -> None:
        try:
            results[me] = works[me](world.site(lease_owners[me], before=turns.hook(me)))
        except (PublishError, Killed) as error:
            results[me] = error
        finally:
            turns.done(me)

    threads = [threading.Thread(target=run, args=(me,)) for me in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return results
