"""The lease: taking, renewal, expiry, and a publisher that lost it."""

import threading
from collections.abc import Iterator

import pytest

from sitewright.contracts.names import manifest_key
from sitewright.publishing import lease, manifest_store
from sitewright.publishing.errors import LeaseUnavailable
from sitewright.publishing.manifest import LEASE_SECONDS, Manifest
from sitewright.publishing.objects import workers
from tests.support.publishing.model_s3 import refused
from tests.support.publishing.publish_world import Killed, World, kill_from, no_pauses  # noqa: F401 - an autouse fixture


def test_the_sessions_own_next_workspace_need_not_wait() -> None:
    world = World()
    with pytest.raises(Killed):
        world.publish(world.site("s1", before=kill_from(4)), {"index.html": "1", "a.txt": "1"})
    assert world.manifest().lease_owner == "s1"
    world.publish(world.site("s1"), {"index.html": "2"})
    world.check_is({"index.html": "2"})


@pytest.fixture
def one_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World()
    monkeypatch.setattr(lease.time, "monotonic", lambda: world.store.clock)
    yield world


def test_a_publisher_that_slept_past_its_lease_sends_nothing_more(one_clock: World) -> None:
    world = one_clock
    two = {"index.html": "2", "b.txt": "2"}

    def sleep(operation: str, key: str) -> None:
        if key == "b.txt" and operation == "put":
            world.store.clock += LEASE_SECONDS + 2
            world.publish(world.site("s2"), two, "2" * 40)
            taken.append(world.manifest())

    taken: list[Manifest] = []
    sleeper = world.site("s1", before=sleep)
    with pytest.raises(LeaseUnavailable):
        world.publish(sleeper, {"index.html": "1", "a.txt": "1", "b.txt": "1"}, "1" * 40)
    # Late requests may still arrive, so the next publish has to list the bucket.
    assert world.live() == two and world.manifest() == taken[0].model_copy(update={"reconcile": True})
    world.publish(world.site("s2"), two, "2" * 40)
    world.check_is(two)


def test_a_request_that_is_carried_out_after_the_lease_was_lost_is_healed_by_the_next_publish(
    one_clock: World,
) -> None:
    world = one_clock
    two = {"index.html": "2"}

    def stand_still() -> None:
        site.s3.handlers.pop("still")  # type: ignore[attr-defined]
        world.store.clock += LEASE_SECONDS + 2
        world.publish(world.site("s2"), two, "2" * 40)

    def before(operation: str, key: str) -> None:
        if key == "index.html" and operation == "put":
            # Runs after the sender's own check of the lease: the request counts as under way.
            site.s3.handlers["still"] = stand_still  # type: ignore[attr-defined]

    site = world.site("s1", before=before)
    with pytest.raises(LeaseUnavailable):
        world.publish(site, {"index.html": "1", "z.html": "1"}, "1" * 40)
    assert world.live()["index.html"] == "1", "this test is about a late write"
    assert world.manifest().reconcile
    world.publish(world.site("s2"), two, "2" * 40)
    world.check_is(two)


def test_a_request_for_a_reconcile_does_not_disturb_a_running_publish() -> None:
    world = World()
    world.publish(world.site("s0"), {"index.html": "0"})

    def doubt(operation: str, key: str) -> None:
        if key == "index.html" and operation == "put":
            manifest_store.request_reconcile(world.site("s1"))

    world.publish(world.site("s2", before=doubt), {"index.html": "2"})
    world.check_is({"index.html": "2"})


def test_a_lost_lease_is_noticed_by_the_next_write_of_the_manifest() -> None:
    world = World()
    two = {"index.html": "2"}

    def take_over(operation: str, key: str) -> None:
        if operation == "put" and key == "index.html":
            # The lease has ended by S3's clock, but not yet by the publisher's own.
            world.store.clock += LEASE_SECONDS + 2
            world.publish(world.site("s2"), two, "2" * 40)

    with pytest.raises(LeaseUnavailable, match="took the site over"):
        world.publish(world.site("s1", before=take_over), {"index.html": "1"}, "1" * 40)
    assert world.manifest().commit == "2" * 40


def test_a_long_publish_renews_and_is_not_taken_over(one_clock: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = one_clock
    monkeypatch.setattr(workers, "MEANWHILE_SECONDS", 0.001)
    tree = {f"{n}.txt": str(n) for n in range(12)} | {"index.html": "1"}
    seen: list[int] = []

    def slow(operation: str, key: str) -> None:
        if operation == "put" and key.endswith(".txt"):
            written = len([r for r in site.s3.requests if r[1].startswith("amelia/")])  # type: ignore[attr-defined]
            world.store.clock += LEASE_SECONDS / 4 + 1
            # The loop gives the main thread real time for the renewal, which this step makes due.
            for _ in range(4000):
                if len([r for r in site.s3.requests if r[1].startswith("amelia/")]) > written:  # type: ignore[attr-defined]
                    break
                threading.Event().wait(0.001)
            seen.append(len(world.manifest().files))

    site = world.site("s1", before=slow)
    world.publish(site, tree)
    world.check_is(tree)
    assert seen == sorted(seen) and seen[-1] >= 11  # the manifest contains the progress


def test_an_own_write_whose_answer_got_lost_is_recognized() -> None:
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


def test_listing_a_large_bucket_renews_the_lease(one_clock: World) -> None:
    world = one_clock
    tree = {f"{n}.txt": str(n) for n in range(12)} | {"index.html": "1"}
    world.publish(world.site("s1"), tree)
    world.drift("5.txt")
    # Six pages: without renewal the lease would expire during the fourth.
    world.store.page, world.store.seconds_a_request = 2, LEASE_SECONDS / 6
    world.publish(world.site("s2"), tree | {"index.html": "2"})
    world.check_is(tree | {"index.html": "2"})


def test_a_rollback_after_drift_renews_its_lease_while_it_checks_the_versions(
    one_clock: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = one_clock
    monkeypatch.setattr(workers, "MEANWHILE_SECONDS", 0.001)
    first = {f"{n}.txt": "1" for n in range(12)} | {"index.html": "1"}
    target = world.publish(world.site("s1"), first, "1" * 40)
    world.publish(world.site("s1"), dict.fromkeys(first, "2"), "2" * 40)
    world.drift("5.txt")
    world.store.page = 4
    answers: list[float] = []
    versions = world.store.objects["artifacts", manifest_key("amelia")]

    def slow(operation: str, key: str) -> None:
        if operation == "head":
            answers.append(world.store.clock)
            written = len(versions)
            world.store.clock += LEASE_SECONDS / 4 + 1
            # The request runs in another thread. The loop gives the renewal, which this step makes due, real time.
            for _ in range(4000):
                if len(versions) > written:
                    break
                threading.Event().wait(0.001)

    world.roll_back(target.deployment_id, after=slow)
    assert answers[-1] - answers[0] > LEASE_SECONDS
    world.check_is(first)
