"""The real image on the local stack. Skipped unless Docker or Podman answers.

Builds a missing image, with SITEWRIGHT_BASE_IMAGE and SITEWRIGHT_CONTAINER_ENGINE.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitewright.local.containers.container_engine import STACK_LABEL, Engine
from sitewright.local.containers.workspace_image import BASE_VARIABLE, tag
from sitewright.local.errors import NoEngine
from tests.home import HOME, REPO, sitewright
from tests.support.e2e.stack_driver import until

BUILD_SECONDS = 1800


def _engine() -> Engine:
    try:
        return Engine.find(os.environ)
    except NoEngine as error:
        pytest.skip(error.message)


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = _engine()
    # A test run must not pull from a registry: either the image exists, or its base is named.
    if not os.environ.get(BASE_VARIABLE) and not engine.has_image(tag(REPO, None)):
        pytest.skip("the workspace image is not built: `sitewright up --runtime docker` once")
    return engine


@pytest.fixture(scope="module")
def home(engine: Engine, worker: str) -> Iterator[Path]:
    """A separate stack, beside the stack of host processes."""
    home = HOME.with_name(f"{HOME.name}-containers-{worker}")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SITEWRIGHT_IDLE_SECONDS", "120")  # the test needs one workspace that stays
            sitewright("up", "--runtime", "docker", home=home, timeout=BUILD_SECONDS)
        yield home
    finally:
        sitewright("down", home=home, check=False)
        if not os.environ.get("SITEWRIGHT_KEEP_TEST_HOME"):
            shutil.rmtree(home, ignore_errors=True)
    assert engine.names(home) == set(), "`down` left containers"


def _send(home: Path, text: str, command: str, *, wait: bool = True) -> dict[str, object]:
    arguments = ["send", text, "--session", "s", "--command-id", command, "--json"]
    done = sitewright(*arguments, *(["--wait"] if wait else []), home=home, check=False)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.timeout(BUILD_SECONDS)
def test_a_message_an_interrupt_and_a_killed_container(engine: Engine, home: Path) -> None:
    answer = _send(home, 'Add a new heading saying "One" to the homepage', "c1")
    assert answer["success"] is True, answer
    [first] = engine.names(home)
    shown = json.loads(engine.call(["container", "inspect", first]))[0]
    assert shown["HostConfig"]["Privileged"] is False
    assert shown["Config"]["Labels"][STACK_LABEL] == str(home)

    _send(home, 'Add a new heading saying "Two" to the homepage', "c2", wait=False)
    answer = _send(home, 'Add a new heading saying "Three" to the homepage', "c3")
    assert answer["success"] is True, answer
    assert engine.names(home) == {first}, "the interrupted workspace goes on"

    log = home / "log" / "tasks" / f"{first}.log"
    _send(home, 'Add a new heading saying "Four" to the homepage', "c4", wait=False)
    until("the step has begun", lambda: '"c4"' in log.read_text(), seconds=60)
    engine.kill(first)
    run = until(
        "the run is over",
        lambda: [run for run in _runs(home) if run["run"].startswith("c4-") and run["status"] == "SUCCEEDED"],
        seconds=120,
    )
    assert run
    assert first not in engine.names(home)


def _runs(home: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(sitewright("runs", "--json", home=home).stdout)
    return found
