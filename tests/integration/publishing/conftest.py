"""Fixtures: one S3 endpoint and one forking process for all tests of a worker, and a site for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sitewright.local.machine.stack_home import Home
from tests.support.publisher_processes.endpoint_world import World
from tests.support.publisher_processes.publisher_launcher import Publishers
from tools.bench.publish_speed.s3_endpoint import endpoint


@pytest.fixture(scope="session")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the S3 endpoint."""
    with endpoint(Home(tmp_path_factory.mktemp("endpoint"))) as running:
        yield running.port


@pytest.fixture(scope="session")
def publishers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publishers]:
    """The process that starts publishers."""
    running = Publishers(tmp_path_factory.mktemp("publishers") / "log")
    yield running
    running.close()


@pytest.fixture
def worlds(port: int, publishers: Publishers, tmp_path: Path) -> Iterator[Callable[[], World]]:
    """Makes sites."""
    made: list[World] = []

    def make() -> World:
        made.append(World(port, publishers, tmp_path))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(worlds: Callable[[], World]) -> World:
    """One site."""
    return worlds()
