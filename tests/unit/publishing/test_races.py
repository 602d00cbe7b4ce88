"""Publishes that are killed or meet a fault at any request, or run at the same time in any order."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewright.publishing import publisher
from sitewright.publishing.errors import PublishError
from sitewright.publishing.manifest import LEASE_SECONDS
from sitewright.publishing.objects import s3_retry
from tests.support.publishing.model_s3 import Store, refused
from tests.support.publishing.publish_world import (
    TREES,
    Killed,
    Tree,
    World,
    at_request,
    kill_from,
    no_pauses,  # noqa: F401 - an autouse fixture
    side_by_side,
)


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
    # A lease that a fault left behind runs out by the clock of the model.
    world = World(Store(seconds_a_request=1.0))
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
        # The lease is released, unless the release itself failed.
        world.publish(world.site("s2"), new, "d" * 40)
    world.check_is(new)


@pytest.mark.parametrize("carried_out", [False, True])
def test_a_permanent_outage_is_an_error_and_the_lease_is_released(
    monkeypatch: pytest.MonkeyPatch, carried_out: bool
) -> None:
    world = World()
    world.publish(world.site("s1"), {"index.html": "1"})
    monkeypatch.setattr(s3_retry, "RETRY_SECONDS", 0.0)

    def out(operation: str, key: str) -> None:
        if key == "index.html":
            raise refused("SlowDown", 503)

    with pytest.raises(PublishError, match="SlowDown"):
        world.publish(world.site("s1", **{"after" if carried_out else "before": out}), {"index.html": "2"})
    assert world.manifest().lease_owner is None and world.manifest().reconcile is carried_out
    world.publish(world.site("s2"), {"index.html": "3"})
    world.check_is({"index.html": "3"})


@given(TREES, TREES, TREES, st.lists(st.integers(0, 1), max_size=60))
@settings(deadline=None, max_examples=40)
def test_two_sessions_at_the_same_time_end_as_exactly_one_of_them(
    before: Tree, one: Tree, two: Tree, order: list[int]
) -> None:
    world = World()
    if len(before) % 2:  # some sites have no manifest yet
        world.publish(world.site("s0"), before)
    results = side_by_side(
        world,
        order,
        [lambda site: world.publish(site, one, "1" * 40), lambda site: world.publish(site, two, "2" * 40)],
        ["s1", "s2"],
    )
    assert all(isinstance(result, publisher.PublishResult) for result in results)
    manifest = world.manifest()
    last = 0 if manifest.commit == "1" * 40 else 1
    world.check_is([one, two][last])
    assert manifest.deployment_id == results[last].deployment_id == max(r.deployment_id for r in results)
    assert results[0].deployment_id != results[1].deployment_id


@given(TREES, TREES, TREES, st.integers(2, 9), st.lists(st.integers(0, 1), max_size=40))
@settings(deadline=None, max_examples=40)
def test_a_publisher_that_died_blocks_the_site_no_longer_than_its_lease(
    before: Tree, one: Tree, two: Tree, number: int, order: list[int]
) -> None:
    world = World(Store(seconds_a_request=1.0))
    world.publish(world.site("s0"), before)
    with contextlib.suppress(Killed):
        world.publish(world.site("s1", before=kill_from(number)), one)
    held, began = world.manifest().lease_owner, world.store.clock
    world.publish(world.site("s2"), two, "2" * 40)
    world.check_is(two)
    assert (world.store.clock - began >= LEASE_SECONDS) == (held is not None)


@given(TREES, TREES, st.integers(1, 14), st.booleans())
@settings(deadline=None, max_examples=40)
def test_a_rollback_killed_at_any_request_breaks_no_page_and_can_be_repeated(
    old: Tree, new: Tree, number: int, carried_out: bool
) -> None:
    world = World(Store(seconds_a_request=5.0))
    first = world.publish(world.site("s1"), old, "1" * 40)
    world.publish(world.site("s1"), new, "2" * 40)
    for hook in ({"after" if carried_out else "before": kill_from(number)}, {}):
        with contextlib.suppress(Killed):
            world.roll_back(first.deployment_id, **hook)
        world.check_pages()
    world.check_is(old)
    assert world.manifest().commit == "1" * 40
