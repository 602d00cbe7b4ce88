"""A rollback as a process: killed, stopped, repeated; and a manually changed bucket."""

import random
import signal
from itertools import count

import pytest

from tests.support.publisher_processes.breaking_proxy import Fault, Request
from tests.support.publisher_processes.endpoint_world import World
from tests.support.publisher_processes.forking_publisher import DONE, FAILED, INTERRUPTED
from tests.support.publisher_processes.site_trees import Tree, tree

LEASE = 4.0


def test_a_rollback_that_is_killed_is_completed_by_the_next_and_the_next_publish_goes_on(world: World) -> None:
    first = world.publish(tree(1), commit="1" * 40)
    second = world.publish(tree(2), commit="2" * 40)
    world.publish(tree(3), commit="3" * 40)

    code = world.killed(lambda: world.start_rollback(first, lease=LEASE), 3, carried_out=True, kind="COPY")
    assert code == -signal.SIGKILL
    world.check_pages()
    # Two rollbacks are two lease owners.
    again = world.roll_back(first, waits=True, lease=LEASE)
    back = world.check_is(tree(1), commit="1" * 40)
    assert back.deployment_id == again != first

    # Ctrl-C releases the lease, so the next rollback need not wait.
    code = world.signalled(lambda: world.start_rollback(second), 2, signal.SIGINT, kind="COPY")
    assert code == INTERRUPTED
    world.check_pages()
    world.publish(tree(4), "s2", "4" * 40)
    world.check_is(tree(4), commit="4" * 40)


def test_to_some_of_the_last_twenty_deployments(world: World) -> None:
    made = [world.publish(tree(seed), commit=f"{seed:040d}") for seed in range(20)]
    for number in random.Random(5).sample(range(19), 2):
        world.roll_back(made[number])
        world.check_is(tree(number), commit=f"{number:040d}")
        assert "PUT" not in {request.kind for request in world.proxy.seen if world.bucket in request.path}


def forget_one(world: World, old: Tree, new: Tree, deployment_id: str) -> str:
    """Deletes the version of a page that is neither the first nor the last copy. Returns the page's key."""
    pages = sorted(key for key in old if key.endswith(".html") and key != "index.html" and new.get(key) != old[key])
    version = world.deployment(deployment_id).files[pages[-1]].version_id
    world.s3.delete_object(Bucket=world.bucket, Key=pages[-1], VersionId=version)
    return pages[-1]


def test_a_version_missing_halfway_reverts_the_site(world: World) -> None:
    old, new = tree(1), tree(2)
    first = world.publish(old, commit="1" * 40)
    second = world.publish(new, commit="2" * 40)
    page = forget_one(world, old, new, first)

    world.proxy.set_plan(lambda _: Fault.NONE)
    failed = world.start_rollback(first, samples=1)
    assert failed.wait() == FAILED
    assert f"{page} is not stored any more (NoSuchVersion)" in failed.said
    manifest = world.check_site(new, commit="2" * 40)
    assert manifest.deployment_id == second
    copies = [request.kind for request in world.proxy.seen if world.bucket in request.path].count("COPY")
    assert copies > 10

    code = world.killed(
        lambda: world.start_rollback(first, samples=1, lease=LEASE), copies, carried_out=True, kind="COPY"
    )
    assert code == -signal.SIGKILL
    world.check_pages()
    world.roll_back(second, waits=True, lease=LEASE)
    world.check_is(new, commit="2" * 40)


@pytest.mark.sweep
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("gone", [False, True])
def test_a_rollback_killed_at_every_request(world: World, gone: bool) -> None:
    old, new, choice = tree(1), tree(2), random.Random(7)
    first = world.publish(old, commit="1" * 40)
    second = world.publish(new, commit="2" * 40)
    if gone:
        forget_one(world, old, new, first)
    for number in count(1):
        carried_out = choice.random() < 0.5
        code = world.killed(lambda: world.start_rollback(first, samples=1, lease=1.0), number, carried_out=carried_out)
        world.check_pages()
        if code != -signal.SIGKILL:
            break
        left = world.manifest()
        assert left is not None
        world.roll_back(second, waits=left.lease_owner is not None, lease=1.0)
        # After a revert the site has newer versions than its deployment's own manifest.
        world.check_site(new, commit="2" * 40)
    assert code == (FAILED if gone else DONE) and number > 20
    world.check_site(new if gone else old, commit=("2" if gone else "1") * 40)


def test_manual_changes_are_noticed_and_healed(world: World) -> None:
    made = tree(6)
    world.publish(made)
    style = next(key for key in made if key.endswith(".css"))
    world.s3.delete_object(Bucket=world.bucket, Key=style)
    world.s3.delete_object(Bucket=world.bucket, Key="robots.txt")
    world.s3.put_object(Bucket=world.bucket, Key="index.html", Body=b"<h1>Defaced</h1>")
    world.s3.put_object(Bucket=world.bucket, Key="foreign + file.html", Body=b"<h1>Strange</h1>")
    assert world.record_sync() == sorted([style, "robots.txt", "index.html", "foreign + file.html"])

    code = world.killed(lambda: world.start(tree(7)), 9, carried_out=False)  # heals halfway
    assert code == -signal.SIGKILL
    world.publish(made)
    world.check_is(made)
    assert world.record_sync() == []


def pages(look: str) -> Tree:
    page = f'<!doctype html><html><img src="/{look}">'
    made = {f"p{number:03}.html": f"{page}<p>{number}</p></html>".encode() for number in range(200)}
    return made | {look: look.encode()}


@pytest.mark.sweep
def test_a_copy_without_an_answer_beside_a_missing_version(world: World) -> None:
    old, new = pages("look-1.svg"), pages("look-2.svg")
    first = world.publish(old, commit="1" * 40)
    second = world.publish(new, commit="2" * 40)
    version = world.deployment(first).files["p000.html"].version_id  # of 201 copies each third is checked
    world.s3.delete_object(Bucket=world.bucket, Key="p000.html", VersionId=version)

    def unanswered(request: Request) -> Fault:
        return Fault.LOST_RESET if request.kind == "COPY" and request.path.endswith("p001.html") else Fault.NONE

    world.proxy.set_plan(unanswered)
    failed = world.start_rollback(first)
    assert failed.wait(200) == FAILED
    world.proxy.settle()
    assert "p000.html is not stored any more" in failed.said
    world.check_pages()
    manifest = world.manifest()
    assert manifest is not None and manifest.reconcile
    assert manifest.deployment_id == second or not manifest.complete
    world.publish(new, "s2", "3" * 40)
    world.check_is(new)
