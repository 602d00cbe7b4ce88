"""A publisher that is killed or stopped at any request: no page breaks, and the next publish completes the site."""

import random
import signal

import pytest

from tests.support.publisher_processes.endpoint_world import World
from tests.support.publisher_processes.forking_publisher import DONE, STOPPED
from tests.support.publisher_processes.site_trees import tree

ALL_REQUESTS = 34
"""More requests than any of these publishes sends."""


def kill_once(world: World, seed: int, number: int, carried_out: bool) -> None:
    code = world.killed(lambda: world.start(tree(seed)), number, carried_out=carried_out)
    assert code in {DONE, -signal.SIGKILL}
    world.check_pages()
    if code == DONE:
        world.check_is(tree(seed))


def test_killed_at_a_request_again_and_again(world: World) -> None:
    choice = random.Random(1)
    for round_ in range(5):
        for _step in range(choice.randrange(1, 4)):
            kill_once(world, choice.randrange(1000), choice.randrange(1, ALL_REQUESTS), choice.random() < 0.5)
        world.publish(tree(round_))
        world.check_is(tree(round_))
        assert world.record_sync(due=True) == []


@pytest.mark.sweep
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_every_request(world: World, seed: int) -> None:
    for number in range(1, ALL_REQUESTS):
        for carried_out in (False, True):
            kill_once(world, 10 * seed + number, number, carried_out)
            world.publish(tree(seed))
            world.check_is(tree(seed))
            assert world.record_sync(due=carried_out) == []


def stop_once(world: World, seed: int, number: int, with_signal: signal.Signals) -> None:
    code = world.signalled(lambda: world.start(tree(seed)), number, with_signal)
    assert code in {DONE, STOPPED}
    world.check_pages()
    manifest = world.manifest()
    assert manifest is None or manifest.lease_owner is None, "the site was not given back"
    if code == DONE:
        world.check_is(tree(seed))


def test_stopped_at_a_request(world: World) -> None:
    choice = random.Random(2)
    for round_ in range(6):
        number, sent = choice.randrange(1, ALL_REQUESTS), choice.choice([signal.SIGINT, signal.SIGTERM])
        stop_once(world, 100 + round_, number, sent)
        # Another publisher must not have to wait: the lease is far longer than this publish may take.
        world.publish(tree(200 + round_), lease_owner="s2")
        world.check_is(tree(200 + round_))
