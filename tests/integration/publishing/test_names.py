"""Names and sizes: published files equal the built files byte for byte, also a file that is sent in parts."""

import hashlib
import random
import signal
from concurrent.futures import Future
from pathlib import Path

from tests.support.publisher_processes.breaking_proxy import Fault, Request
from tests.support.publisher_processes.endpoint_world import World
from tests.support.publisher_processes.forking_publisher import DONE
from tests.support.publisher_processes.publisher_launcher import Publisher
from tests.support.publisher_processes.site_trees import ODD, Tree

LARGE = 100 * 2**20


def odd_tree(text: str) -> Tree:
    made: Tree = {"index.html": b"<!doctype html><html></html>", "empty.txt": b"", "_astro/empty.da39a3ee.css": b""}
    for number, name in enumerate([*ODD, "a b/c d.txt", "+.txt", "%.txt", "%2F.txt", "~'!*().txt", "e\u0301.txt"]):
        made[name] = f"<!doctype html><html>{text} {number}</html>".encode()
    return made


def digests(world: World) -> dict[str, str]:
    found = {}
    for key in world.live():
        body = world.s3.get_object(Bucket=world.bucket, Key=key)["Body"]
        found[key] = hashlib.file_digest(body, "sha256").hexdigest()
    return found


def test_odd_names_and_empty_files(world: World) -> None:
    first, second = odd_tree("first"), odd_tree("second")
    del second["+.txt"], second["%.txt"], second["日本語/index.html"], second["empty.txt"]
    began = world.publish(first)
    for made in (first, second):
        world.publish(made)
        assert digests(world) == {key: hashlib.sha256(content).hexdigest() for key, content in made.items()}
        world.check_is(made)
    # The rollback copies the same names.
    world.roll_back(began)
    world.check_is(first)


def large(folder: Path) -> tuple[Path, str]:
    """Makes a build with one large file."""
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><html></html>")
    random_bytes = random.Random(4).randbytes(2**20)
    with (folder / "film 100%.mp4").open("wb") as film:
        for place in range(0, LARGE, 16 * 2**20):
            film.seek(place)
            film.write(random_bytes)
        film.truncate(LARGE)
    with (folder / "film 100%.mp4").open("rb") as film:
        return folder, hashlib.file_digest(film, "sha256").hexdigest()


def test_a_large_file_is_sent_in_parts_and_is_stored_whole_or_not_at_all(world: World, tmp_path: Path) -> None:
    dist, digest = large(tmp_path / "large")
    parts = 0
    begun: Future[Publisher] = Future()

    def die_at_the_third_part(request: Request) -> Fault:
        nonlocal parts
        parts += request.kind == "PUT" and request.path.endswith(".mp4")
        if parts == 3:
            begun.result().kill()
        return Fault.NONE

    world.proxy.set_plan(die_at_the_third_part)
    begun.set_result(world.start_folder(dist))
    assert begun.result().wait() == -signal.SIGKILL
    world.proxy.settle()
    assert world.live() == {}

    def break_some(request: Request) -> Fault:
        return {5: Fault.RESET, 7: Fault.SLOW_DOWN, 9: Fault.LOST_RESET}.get(request.number, Fault.NONE)

    world.proxy.set_plan(break_some)
    done = world.start_folder(dist)
    assert done.wait() == DONE, done.said
    world.proxy.settle()
    assert digests(world)["film 100%.mp4"] == digest
    assert world.record_sync() == []
    again = world.start_folder(dist)
    assert (again.wait(), again.said) == (DONE, done.said), "what is live already was sent again"
