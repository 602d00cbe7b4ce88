"""Starts one local stack for all end-to-end tests of a run. Each pytest worker has a site of its own on it.

The stack's files are below `.local-test/`, beside a user's own `.local/`. The first worker that needs the stack starts
it. The controlling process takes it down at the end (see tests/conftest.py).
"""

import fcntl
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from sitewright.local.machine.stack_home import Home
from tests.home import HOME, sitewright
from tests.support.e2e import response_collector
from tests.support.e2e.open_session import OpenSession
from tests.support.e2e.sites import ASTRO, PLAIN, announce_sites, plain_repository
from tests.support.e2e.stack_driver import Site, Stack

FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks all tests in this folder as end-to-end tests.

    They have time limits for real processes, and a busy machine may exceed them. So a failed test runs once more, and the
    summary counts it (`rerun`).
    """
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tells the fixture `session` whether its test failed."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture(scope="session")
def worker() -> str:
    """The name of the pytest worker: gw0, gw1, … or main."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture(scope="session")
def stack(worker: str) -> Iterator[Stack]:
    """The running stack with all sites. One `cdk deploy` deploys all of them, because each takes 15 s."""
    HOME.mkdir(parents=True, exist_ok=True)
    responses = HOME / "responses.jsonl"
    with (HOME / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # `up` twice at the same time would deploy twice
        started = HOME / "collector.started"
        if not started.exists():
            announce_sites(Home(HOME), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")), worker)
            sitewright("up", "--client", PLAIN, "--site-repo", str(plain_repository(HOME / "plain site")))
            response_collector.start(HOME)
            started.touch()
    yield Stack(HOME, responses)


@pytest.fixture
def site(stack: Stack, worker: str) -> Site:
    """This worker's site that a small program builds, for tests that do not depend on Astro."""
    return stack.site(f"site-{worker}")


@pytest.fixture(scope="session")
def _sessions() -> list[OpenSession]:
    return []


@pytest.fixture
def session(site: Site, _sessions: list[OpenSession], request: pytest.FixtureRequest) -> Iterator[OpenSession]:
    """This worker's session on its site. Tests that want its first command answered continue it, one after the other.

    After a failed test the next one begins another session. A test that leaves the session in an odd state begins its own.
    """
    opened = _sessions.pop() if _sessions else OpenSession.begin(site)
    yield opened
    if not request.node.stash.get(FAILED, True):
        _sessions.append(opened)


@pytest.fixture
def astro_site(stack: Stack) -> Site:
    """The demo site, built by Astro with its packages. Two tests at once would each publish the other's site."""
    return stack.site(ASTRO)
