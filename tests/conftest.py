"""Takes the shared local stack down when the whole run is over, also after Ctrl-C and SIGTERM.

A run that is killed cannot. Then the watcher of the stack does it: see sitewright/local/stack/stack_owner.py.
"""

import functools
import os
import shutil
import signal
import sys
from pathlib import Path

import botocore.session
import pytest
from hypothesis import HealthCheck, settings

from sitewright.local.machine.service_environment import NO_PLUGINS
from tests.home import HOME
from tests.support.iam.rights_check import RightsCheck

RIGHTS = pytest.StashKey[RightsCheck]()

# As `make` does it: the virtual environment's Node, also for who calls pytest by its path. What runs synth on a Node that
# is out of support gets a banner of jsii's.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])

# Programs that tests start, and pytest itself: pydantic's search for plugins takes 0.1 s of each.
os.environ |= NO_PLUGINS

# A slow machine is no fault of a test: neither the time of an example nor that of making one is judged.
settings.register_profile("sitewright", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sitewright")


def _down() -> None:
    if not HOME.exists():
        return
    from sitewright.local.machine.stack_home import Home  # a second that the unit tests need not wait
    from sitewright.local.stack.stack_control import end_stack

    (HOME / "collector.started").unlink(missing_ok=True)
    # A test's own stack may lie below the shared one's home.
    for state in [*HOME.glob("*/state.json"), *HOME.glob("state.json")]:
        end_stack(Home(state.parent), lambda _: None)
    end_stack(Home(HOME), lambda _: None)
    if not os.environ.get("SITEWRIGHT_KEEP_TEST_HOME"):
        shutil.rmtree(HOME, ignore_errors=True)


def pytest_configure(config: pytest.Config) -> None:
    """SIGTERM ends the run as Ctrl-C does: with `pytest_sessionfinish`.

    A shell starts a background job with SIGINT ignored, and every process below would ignore it too.
    """
    if not hasattr(config, "workerinput"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        config.stash[RIGHTS] = RightsCheck(config)
        config.pluginmanager.register(config.stash[RIGHTS])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Only the controlling process takes the stack down: its workers are done by then."""
    if not hasattr(session.config, "workerinput"):
        try:
            if findings := session.config.stash[RIGHTS].findings(HOME):
                print("\nIAM (tests/support/iam/unused_rights.py has the reasons):", *findings, sep="\n  ")
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        finally:
            _down()


FIRST = ("tests/e2e/test_chaos.py", "tests/e2e/test_deploy.py", "tests/e2e/", "tests/integration/")
"""What takes longest begins first, so that no worker is left alone with it at the end; the unit tests fill the gaps."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts by FIRST. A worker gets two tests at a time: the two longest go to two workers."""
    items.sort(key=lambda item: next((n for n, part in enumerate(FIRST) if item.nodeid.startswith(part)), len(FIRST)))
    if len(items) > 2 and items[1].nodeid.startswith(FIRST[1]):
        items[1], items[2] = items[2], items[1]


# Each session of botocore searches its folders and parses its services' models anew: half of the unit tests' time. The
# models are only read.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)  # type: ignore[attr-defined]
