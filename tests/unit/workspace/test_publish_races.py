"""Publishes that are killed at any request, meet faults at any request, or run beside each other in any order."""

import contextlib
import hashlib
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workspace.publish import books, execute, faults
from workspace.publish.content import LocalFile, cache_control, content_type, is_hashed
from workspace.publish.execute import Publish
from workspace.publish.faults import PublishError, SiteTaken
from workspace.publish.rollback import roll_back
from workspace.publish.site import Open, Site

from contracts.manifest import LEASE_SECONDS, Manifest
from contracts.names import deployment_key, manifest_key
from tests.unit.workspace.model_s3 import ModelS3, Store, refused

PAGES = ["index.html", "a.html", "b/index.html"]
Tree = dict[str, str]


def tree_of(pages: dict[str, int], others: set[str]) -> Tree:
    """A build: each page refers to the stylesheet of its look, and the stylesheets are just those."""
    made = {page: f"<link href='_astro/s.{look}.css'>" for page, look in pages.items()}
    made |= {f"_astro/s.{look}.css": f"body{{{look}}}" for look in pages.values()}
    return made | {name: f"{sorted(pages.items())}" for name in others}


TREES = st.builds(
    tree_of,
    st.dictionaries(st.sampled_from(PAGES), st.integers(1, 4), min_size=1),
    st.sets(st.sampled_from(["robots.txt", "feed.xml"])),
)


class Killed(BaseException):
    """SIGKILL: nothing more of this publisher reaches S3."""


@dataclass
class World:
    store: Store = field(default_factory=Store)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp()))

    def site(self, holder: str, **hooks: Any) -> Site:
        s3: Any = ModelS3(self.store, **hooks)
        return Site(s3, "site", "artifacts", "amelia", holder, Open(), lambda *_, **__: None, lambda _: None)

    def files(self, tree: Tree) -> list[LocalFile]:
        return [self._file(key, text) for key, text in tree.items()]

    def publish(self, site: Site, tree: Tree, commit: str = "c" * 40) -> execute.Outcome:
        return Publish(site, self.files(tree), commit).run()

    def manifest(self) -> Manifest:
        stored = self.store.newest("artifacts", manifest_key("amelia"))
        assert stored is not None and stored.body is not None
        return Manifest.from_bytes(stored.body)

    def live(self) -> Tree:
        return {key: body.decode() for key, body in self.store.live("site").items()}

    def check_pages(self) -> None:
        """No live page refers to an asset that is not there."""
        live = self.live()
        for key, text in live.items():
            if key.endswith(".html"):
                for wanted in re.findall(r"href='([^']+)'", text):
                    assert wanted in live, f"{key} refers to {wanted}"

    def check_is(self, tree: Tree) -> None:
        """The site is this build, besides assets in grace, and the books are right."""
        live, manifest = self.live(), self.manifest()
        assert {k: v for k, v in live.items() if k in tree} == tree
        assert all(is_hashed(key) for key in set(live) - set(tree))
        assert manifest.complete and not manifest.reconcile and manifest.holder is None
        assert {k: e.etag for k, e in manifest.files.items()} == {
            k: hashlib.md5(v.encode()).hexdigest() for k, v in live.items()
        }
        assert {k for k, e in manifest.files.items() if e.retired_at is None} == set(tree)
        own = self.store.newest("artifacts", deployment_key("amelia", manifest.deployment_id))
        assert own is not None and own.body == manifest.to_bytes()
        self.check_pages()

    def _file(self, key: str, text: str) -> LocalFile:
        path = self.folder / hashlib.md5(text.encode()).hexdigest()
        path.write_text(text)
        return LocalFile(key, str(path), path.name, len(text), content_type(key), cache_control(key))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    # One sender, so that a request's number means the same each time.
    monkeypatch.setattr(execute, "THREADS", 1)
    monkeypatch.setattr(books.time, "sleep", lambda _: None)
    monkeypatch.setattr(faults, "_sleep", lambda _seconds, check: check())


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


@given(st.lists(st.tuples(TREES, st.integers(1, 14), st.booleans()), min_size=1, max_size=4), TREES)
@settings(deadline=None, max_examples=100)
def test_a_publish_killed_at_any_request_breaks_no_page_and_the_next_completes_it(
    killed: list[tuple[Tree, int, bool]], last: Tree
) -> None:
    world = World()
    for tree, number, carried_out in killed:
        hook = {"after" if carried_out else "before": kill_from(number)}
        with contextlib.suppress(Killed):
            world.publish(world.site("s1", **hook), tree)
        world.check_pages()
    world.publish(world.site("s1"), last)
    world.check_is(last)


@given(TREES, TREES, st.integers(1, 14), st.booleans(), st.booleans())
@settings(deadline=None, max_examples=100)
def test_a_fault_at_any_request_breaks_no_page_and_the_next_publish_completes_it(
    old: Tree, new: Tree, number: int, carried_out: bool, passing: bool
) -> None:
    world = World()
    world.publish(world.site("s1"), old)
    error = refused("InternalError", 500) if passing else refused("AccessDenied", 403)

    def fail() -> None:
        raise error

    failing = world.site("s1", **{"after" if carried_out else "before": at_request(number, fail)})
    try:
        world.publish(failing, new, "d" * 40)
    except PublishError:
        assert not passing
        world.check_pages()
        # Given back, unless it was the giving back itself that failed.
        world.publish(world.site("s2"), new, "d" * 40)
    world.check_is(new)


def test_an_outage_that_does_not_pass_is_an_error_and_the_site_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.publish(world.site("s1"), {"index.html": "1"})
    monkeypatch.setattr(faults, "PATIENCE_SECONDS", 0.0)

    def out(operation: str, key: str) -> None:
        if key == "index.html":
            raise refused("SlowDown", 503)

    with pytest.raises(PublishError, match="SlowDown"):
        world.publish(world.site("s1", before=out), {"index.html": "2"})
    assert world.manifest().holder is None and world.manifest().reconcile
    world.publish(world.site("s2"), {"index.html": "3"})
    world.check_is({"index.html": "3"})


@dataclass
class Turns:
    """Lets one publisher do one request at a time, in the order of `order`, then in turns."""

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


def side_by_side(world: World, order: list[int], works: list[Callable[[Site], Any]], holders: list[str]) -> list[Any]:
    turns, results = Turns(order, set(range(len(works)))), list[Any]([None] * len(works))

    def run(me: int) -> None:
        try:
            results[me] = works[me](world.site(holders[me], before=turns.hook(me)))
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


@given(TREES, TREES, TREES, st.lists(st.integers(0, 1), max_size=60))
@settings(deadline=None, max_examples=40)
def test_two_sessions_at_the_same_time_end_as_exactly_one_of_them(
    before: Tree, one: Tree, two: Tree, order: list[int]
) -> None:
    world = World()
    if len(before) % 2:  # also a site that has no manifest yet
        world.publish(world.site("s0"), before)
    results = side_by_side(
        world,
        order,
        [lambda site: world.publish(site, one, "1" * 40), lambda site: world.publish(site, two, "2" * 40)],
        ["s1", "s2"],
    )
    assert all(isinstance(result, execute.Outcome) for result in results)
    manifest = world.manifest()
    last = 0 if manifest.commit == "1" * 40 else 1
    world.check_is([one, two][last])
    assert manifest.deployment_id == results[last].deployment_id == max(r.deployment_id for r in results)
    assert results[0].deployment_id != results[1].deployment_id


@given(TREES, TREES, TREES, st.integers(2, 9), st.lists(st.integers(0, 1), max_size=40))
@settings(deadline=None, max_examples=40)
def test_a_publisher_that_died_holds_the_site_no_longer_than_its_lease(
    before: Tree, one: Tree, two: Tree, number: int, order: list[int]
) -> None:
    world = World(Store(seconds_a_request=1.0))
    world.publish(world.site("s0"), before)
    with contextlib.suppress(Killed):
        world.publish(world.site("s1", before=kill_from(number)), one)
    held, began = world.manifest().holder, world.store.clock
    world.publish(world.site("s2"), two, "2" * 40)
    world.check_is(two)
    assert (world.store.clock - began >= LEASE_SECONDS) == (held is not None)


def test_the_sessions_own_next_workspace_need_not_wait() -> None:
    world = World()
    with pytest.raises(Killed):
        world.publish(world.site("s1", before=kill_from(4)), {"index.html": "1", "a.txt": "1"})
    assert world.manifest().holder == "s1"
    world.publish(world.site("s1"), {"index.html": "2"})
    world.check_is({"index.html": "2"})


@pytest.fixture
def one_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World()
    monkeypatch.setattr(books.time, "monotonic", lambda: world.store.clock)
    yield world


def test_a_publisher_that_slept_past_its_lease_sends_nothing_more(one_clock: World) -> None:
    world = one_clock
    two = {"index.html": "2", "b.txt": "2"}

    def sleep(operation: str, key: str) -> None:
        if key == "b.txt" and operation == "put":
            world.store.clock += LEASE_SECONDS + 2
            world.publish(world.site("s2"), two, "2" * 40)

    sleeper = world.site("s1", before=sleep)
    with pytest.raises(SiteTaken):
        world.publish(sleeper, {"index.html": "1", "a.txt": "1", "b.txt": "1"}, "1" * 40)
    world.check_is(two)


def test_a_site_that_was_taken_over_is_noticed_by_the_next_write_of_the_manifest() -> None:
    world = World()
    two = {"index.html": "2"}

    def take_over(operation: str, key: str) -> None:
        if operation == "put" and key == "index.html":
            # As if its lease had ended by S3's clock and not yet by its own.
            world.store.clock += LEASE_SECONDS + 2
            world.publish(world.site("s2"), two, "2" * 40)

    with pytest.raises(SiteTaken, match="took the site over"):
        world.publish(world.site("s1", before=take_over), {"index.html": "1"}, "1" * 40)
    assert world.manifest().commit == "2" * 40


def test_a_long_publish_renews_and_is_not_taken_over(one_clock: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = one_clock
    monkeypatch.setattr(execute, "_LOOK_SECONDS", 0.001)
    tree = {f"{n}.txt": str(n) for n in range(12)} | {"index.html": "1"}
    seen: list[int] = []

    def slow(operation: str, key: str) -> None:
        if operation == "put" and key.endswith(".txt"):
            written = len([r for r in site.s3.requests if r[1].startswith("amelia/")])  # type: ignore[attr-defined]
            world.store.clock += LEASE_SECONDS / 4 + 1
            # Real time for the main thread's renewal, which this very step makes due.
            for _ in range(4000):
                if len([r for r in site.s3.requests if r[1].startswith("amelia/")]) > written:  # type: ignore[attr-defined]
                    break
                threading.Event().wait(0.001)
            seen.append(len(world.manifest().files))

    site = world.site("s1", before=slow)
    world.publish(site, tree)
    world.check_is(tree)
    assert seen == sorted(seen) and seen[-1] >= 11  # the progress is in the books


def test_an_own_write_whose_answer_got_lost_is_known_again() -> None:
    world = World()
    world.publish(world.site("s1"), {"index.html": "1"})

    def lose(operation: str, key: str) -> None:
        if operation == "put" and key == manifest_key("amelia") and not lost:
            lost.append(key)
            raise refused("RequestTimeout", 400)

    lost: list[str] = []
    world.publish(world.site("s1", after=lose), {"index.html": "2"})
    world.check_is({"index.html": "2"})
    assert lost


def test_the_check_of_another_deployment_that_comes_between_makes_it_plan_anew() -> None:
    world = World()
    world.publish(world.site("s1"), {"index.html": "1"})

    def check(operation: str, key: str) -> None:
        if operation == "put" and key == manifest_key("amelia") and not done:
            done.append(key)
            manifest = world.manifest().model_copy(update={"reconcile": True})
            world.store.add("artifacts", key, manifest.to_bytes())
            world.store.add("site", "stray.txt", b"?")

    done: list[str] = []
    world.publish(world.site("s1", before=check), {"index.html": "2"})
    world.check_is({"index.html": "2"})


@given(TREES, TREES, st.integers(1, 14), st.booleans())
@settings(deadline=None, max_examples=40)
def test_a_rollback_killed_at_any_request_breaks_no_page_and_can_be_repeated(
    old: Tree, new: Tree, number: int, carried_out: bool
) -> None:
    world = World(Store(seconds_a_request=5.0))
    first = world.publish(world.site("s1"), old, "1" * 40)
    world.publish(world.site("s1"), new, "2" * 40)
    stored = world.store.newest("artifacts", deployment_key("amelia", first.deployment_id))
    assert stored is not None and stored.body is not None
    target = Manifest.from_bytes(stored.body)
    for hook in ({"after" if carried_out else "before": kill_from(number)}, {}):
        s3: Any = ModelS3(world.store, **hook)
        with contextlib.suppress(Killed):
            roll_back(
                s3,
                bucket="site",
                artifacts="artifacts",
                client_id="amelia",
                target=target,
                log=lambda *_, **__: None,
                progress=lambda _: None,
            )
        world.check_pages()
    world.check_is(old)
    assert world.manifest().commit == "1" * 40
