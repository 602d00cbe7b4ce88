"""Tests in containers of the real image: `make test-image`. Skipped unless Docker or Podman answers.

One stack serves all of them. Its workspaces are containers, so a test takes some ten seconds. `make test` leaves them out.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitewright.local.containers.container_engine import Engine
from sitewright.local.errors import NoEngine
from sitewright.local.machine.stack_home import Home
from tests.home import HOME, sitewright
from tests.support.e2e import response_collector
from tests.support.e2e.stack_driver import Site, Stack
from tests.support.image import attacked_sites
from tests.support.image.attacker import Attacker
from tests.support.image.container_stack import ContainerStack
from tests.support.secrets.marked_secrets import mark_model_key

BUILD_SECONDS = 1800
"""The first `up` builds the image."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test waits for the image. The waits within a test have limits of their own."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(BUILD_SECONDS))


@pytest.fixture(scope="session")
def engine() -> Engine:
    try:
        return Engine.find(os.environ)
    except NoEngine as error:
        pytest.skip(error.message)


@pytest.fixture(scope="session")
def containers(engine: Engine) -> Iterator[ContainerStack]:
    """A separate stack, beside the stack of host processes."""
    home = HOME.with_name(f"{HOME.name}-image")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SITEWRIGHT_IDLE_SECONDS", str(attacked_sites.IDLE_SECONDS))
            attacked_sites.announce(Home(home))
            sitewright("up", "--runtime", "docker", home=home, timeout=BUILD_SECONDS)
        yield ContainerStack(engine, home, Stack(home, response_collector.start(home)))
    finally:
        sitewright("down", home=home, check=False)
        if not os.environ.get("SITEWRIGHT_KEEP_TEST_HOME"):
            shutil.rmtree(home, ignore_errors=True)
    assert engine.names(home) == set(), "`down` left containers"


@pytest.fixture
def site(containers: ContainerStack) -> Site:
    """The site of the main scenarios."""
    return containers.stack.site(attacked_sites.MAIN)


def _attacker(containers: ContainerStack, client: str) -> Attacker:
    attacker = Attacker(containers, containers.stack.site(client))
    mark_model_key(attacker.site)
    return attacker


@pytest.fixture(scope="session")
def shell(containers: ContainerStack) -> Attacker:
    """Attacks from the agent's shell."""
    return _attacker(containers, attacked_sites.SHELL)


@pytest.fixture(scope="session")
def build(containers: ContainerStack) -> Attacker:
    """Attacks from the site's build script."""
    return _attacker(containers, attacked_sites.BUILD)


@pytest.fixture(scope="session")
def names(containers: ContainerStack) -> Attacker:
    """Attacks by what the build writes."""
    return _attacker(containers, attacked_sites.NAMES)


@pytest.fixture(scope="session")
def packages(containers: ContainerStack) -> Attacker:
    """Attacks by the packages that the sessions of a site share."""
    return _attacker(containers, attacked_sites.PACKAGES)
