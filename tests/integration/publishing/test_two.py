"""Two publishers of one site at the same time: the site ends as exactly one build, which the manifest names."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.support.publisher_processes.breaking_proxy import Fault, Plan, Proxy, Request
from tests.support.publisher_processes.endpoint_world import World
from tests.support.publisher_processes.forking_publisher import DONE
from tests.support.publisher_processes.publisher_launcher import Publisher
from tests.support.publisher_processes.site_trees import tree

ONE, TWO = "1" * 40, "2" * 40
LEASE = 6.0


def jitter(seed: int) -> Plan:
    choice = random.Random(seed)

    def plan(_: Request) -> Fault:
        time.sleep(choice.random() * 0.02)
        return Fault.NONE

    return plan


@contextmanager
def second_proxy(world: World) -> Iterator[Proxy]:
    proxy = Proxy(world.port)
    yield proxy
    proxy.settle()
    proxy.close()


def side_by_side(world: World, seed: int) -> str:
    trees = {ONE: tree(seed), TWO: tree(seed + 1)}
    with second_proxy(world) as other:
        world.proxy.set_plan(jitter(seed))
        other.set_plan(jitter(seed + 1))
        one = world.start(trees[ONE], "s1", ONE)
        two = world.start(trees[TWO], "s2", TWO, url=other.url)
        assert (one.wait(), two.wait()) == (DONE, DONE), (one.said, two.said)
        world.proxy.settle()
    manifest = world.manifest()
    assert manifest is not None and manifest.commit is not None
    world.check_is(trees[manifest.commit])
    assert manifest.deployment_id == {ONE: one.said, TWO: two.said}[manifest.commit] == max(one.said, two.said)
    assert one.said != two.said
    return manifest.commit


def test_two_sessions_end_as_exactly_one_of_them(world: World) -> None:
    """The first round begins with an empty bucket."""
    for seed in range(0, 10, 2):
        side_by_side(world, seed)


@pytest.mark.sweep
def test_two_sessions_again_and_again(world: World) -> None:
    assert {side_by_side(world, seed) for seed in range(100, 220, 2)} == {ONE, TWO}


def one_dies(world: World, seed: int, number: int, carried_out: bool) -> None:
    """Kills one of two publishers. The other waits only if the dead one had the lease."""
    world.publish(tree(seed), "s0")
    with second_proxy(world) as other:
        code = world.killed(
            lambda: world.start(tree(seed + 1), "s1", ONE, lease=LEASE), number, carried_out=carried_out
        )
        died, manifest = time.monotonic(), world.manifest()
        world.check_pages()
        assert manifest is not None
        two = world.start(tree(seed + 2), "s2", TWO, lease=LEASE, url=other.url)
        assert two.wait() == DONE, two.said
        waited = time.monotonic() - died
    world.check_is(tree(seed + 2), commit=TWO)
    assert two.waited == (manifest.lease_owner is not None)
    if two.waited:
        assert (code, manifest.lease_owner) == (-signal.SIGKILL, "s1")
        assert waited > LEASE - 2


def test_one_of_two_publishers_dies_halfway(worlds: Callable[[], World]) -> None:
    cases = [(worlds(), 700 + 3 * n, number, carried_out) for n, (number, carried_out) in enumerate(DEATHS)]
    with ThreadPoolExecutor(len(cases)) as pool:  # the cases mostly wait for the lease
        for case in [pool.submit(one_dies, *case) for case in cases]:
            case.result()


DEATHS = [(1, True), (2, False), (2, True), (5, True), (9, False)]


@pytest.mark.sweep
def test_one_of_two_publishers_dies_at_every_request(worlds: Callable[[], World]) -> None:
    cases = [(worlds(), 800 + 3 * n, n, bool(n % 2)) for n in range(1, 20)]
    with ThreadPoolExecutor(5) as pool:
        for case in [pool.submit(one_dies, *case) for case in cases]:
            case.result()


def test_a_publisher_that_stood_still_past_its_lease_sends_nothing_more(world: World) -> None:
    """Stops a publisher with SIGSTOP, as a suspended machine does, and continues it once another has the lease."""
    world.publish(tree(900), "s0")
    begun: Future[Publisher] = Future()
    stopped = threading.Event()

    def stop() -> None:
        begun.result().send(signal.SIGSTOP)
        stopped.set()

    world.proxy.set_plan(world.at_request(5, Fault.NONE, stop))
    begun.set_result(one := world.start(tree(901), "s1", ONE, lease=LEASE))
    assert stopped.wait(30), one.said  # it has the lease by now
    with second_proxy(world) as other:
        two = world.start(tree(902), "s2", TWO, lease=LEASE, url=other.url)
        assert two.wait() == DONE, two.said
    before = world.check_is(tree(902), commit=TWO)
    one.send(signal.SIGCONT)
    assert one.wait() != DONE
    world.proxy.settle()
    # Late requests may still arrive: the next publish lists the whole bucket.
    assert world.manifest() == before.model_copy(update={"reconcile": True})
    world.publish(tree(902), "s2", TWO)
    world.check_is(tree(902), commit=TWO)
