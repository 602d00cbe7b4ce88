"""Takes the shared local stack down when the whole run is over, also after Ctrl-C and SIGTERM.

A run that is killed cannot. Then the watcher of the stack does it: see sitewright/local/stack/stack_owner.py.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.home import HOME

# As `make` does it: the virtual environment's Node, also for who calls pytest by its path. What runs synth on a Node that
# is out of support gets a banner of jsii's.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _down() -> None:
    if not HOME.exists():
        return
    from sitewright.local.machine.stack_home import Home  # a second that the unit tests need not wait
    from sitewright.local.stack.stack_control import end_stack

    (HOME / "collector.started").unlink(missing_ok=True)
    end_stack(Home(HOME), lambda _: None)
    if not os.environ.get("SITEWRIGHT_KEEP_TEST_HOME"):
        shutil.rmtree(HOME, ignore_errors=True)


def pytest_configure(config: pytest.Config) -> None:
    """SIGTERM ends the run as Ctrl-C does: with `pytest_sessionfinish`."""
    if not hasattr(config, "workerinput"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Only the controlling process takes the stack down: its workers are done by then."""
    if not hasattr(session.config, "workerinput"):
        _down()
