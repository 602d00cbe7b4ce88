"""Requests that S3 refuses, answers late or never answers: repeated or reported, and never a broken page."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.publisher_processes.breaking_proxy import Fault, Request
from tests.support.publisher_processes.endpoint_world import World
from tests.support.publisher_processes.forking_publisher import DONE, FAILED
from tests.support.publisher_processes.site_trees import tree

PASSING = [fault for fault in Fault if fault not in {Fault.NONE, Fault.DENIED}]
LAST_REQUEST = 30


def fits(fault: Fault, request: Request) -> Fault:
    """Returns the fault, or ERROR if S3 cannot have it: only these operations answer 200 before their end."""
    if fault is Fault.IN_BODY and request.kind not in {"COPY", "POST", "DELETE"}:
        return Fault.ERROR
    return fault


def one_fault(world: World, seed: int, number: int, fault: Fault) -> None:
    world.record_sync(due=True)
    done = world.faulty(
        tree(seed), lambda request: fits(fault, request) if request.number == number else Fault.NONE, commit="d" * 40
    )
    if done.wait() != DONE:
        assert (done.wait(), fault) == (FAILED, Fault.DENIED), done.said
        assert "AccessDenied" in done.said
        world.check_pages()
        world.publish(tree(seed), "s2", "d" * 40)
    world.check_is(tree(seed), commit="d" * 40)


def published(world: World, seed: int) -> World:
    world.publish(tree(seed))
    return world


def test_one_fault_at_a_request(worlds: Callable[[], World]) -> None:
    choice = random.Random(3)
    faults = [*PASSING, Fault.DENIED, Fault.DENIED]
    cases = [(published(worlds(), n), choice.randrange(1, LAST_REQUEST), fault) for n, fault in enumerate(faults)]
    with ThreadPoolExecutor(len(cases)) as pool:  # the cases mostly wait
        for case in [pool.submit(one_fault, world, 300 + n, k, f) for n, (world, k, f) in enumerate(cases)]:
            case.result()


@pytest.mark.parametrize("fault", [Fault.LOST_ERROR, Fault.LOST_RESET, Fault.CUT])
def test_own_writes_of_the_manifest_are_recognized_when_their_answers_get_lost(world: World, fault: Fault) -> None:
    published(world, 0)
    puts = 0

    def plan(request: Request) -> Fault:
        nonlocal puts
        if request.kind != "PUT" or not request.path.endswith("manifest.json.gz"):
            return Fault.NONE
        puts += 1
        return (
            fault if puts % 2 else Fault.NONE
        )  # the first request for taking and for releasing the lease, not the repetitions

    done = world.faulty(tree(350), plan, commit="d" * 40)
    assert (done.wait(), puts) == (DONE, 4), done.said
    world.check_is(tree(350), commit="d" * 40)


@pytest.mark.sweep
@pytest.mark.parametrize("fault", [*PASSING, Fault.DENIED])
def test_one_fault_at_every_request(worlds: Callable[[], World], fault: Fault) -> None:
    cases = [(published(worlds(), n), n) for n in range(1, LAST_REQUEST + 1)]
    with ThreadPoolExecutor(6) as pool:
        for case in [pool.submit(one_fault, world, 400 + n, n, fault) for world, n in cases]:
            case.result()


def storm(world: World, seed: int, share: float) -> None:
    choice = random.Random(seed)

    def plan(request: Request) -> Fault:
        return fits(choice.choice(PASSING), request) if choice.random() < share else Fault.NONE

    done = world.faulty(tree(seed), plan, commit="e" * 40)
    assert done.wait() == DONE, done.said
    assert sum(world.proxy.faults.values()) > world.proxy.faults[Fault.NONE]
    world.check_is(tree(seed), commit="e" * 40)


def test_many_transient_faults_are_retried(worlds: Callable[[], World]) -> None:
    cases = [published(worlds(), n) for n in range(3)]
    with ThreadPoolExecutor(len(cases)) as pool:
        for case in [pool.submit(storm, world, 500 + n, 0.15) for n, world in enumerate(cases)]:
            case.result()


def test_no_visitor_sees_a_broken_page_at_any_request(world: World) -> None:
    """Uses one thread: nothing else of the site changes during a delayed request."""
    seen = []

    def look(request: Request) -> Fault:
        world.check_pages()
        seen.append(request)
        return Fault.NONE

    for seed in (600, 601, 602):
        done = world.faulty(tree(seed), look, threads=1)
        assert done.wait() == DONE, done.said
        world.check_is(tree(seed))
        assert world.record_sync(due=True) == []
    assert len(seen) > 30
    assert {"PUT", "DELETE"} <= {look.kind for look in seen}
