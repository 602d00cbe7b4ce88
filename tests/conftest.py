"""Takes the shared local stack down when the whole run is over."""

import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.home import HOME, sitewright

# As `make` does it: the virtual environment's Node, also for who calls pytest by its path. What runs synth on a Node that
# is out of support gets a banner of jsii's.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _down() -> None:
    if not HOME.exists():
        return
    collector = HOME / "collector.pid"
    if collector.exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(collector.read_text()), signal.SIGTERM)
    sitewright("down", check=False)
    if os.environ.get("SITEWRIGHT_KEEP_TEST_HOME"):
        collector.unlink(missing_ok=True)
    else:
        shutil.rmtree(HOME, ignore_errors=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Only the controlling process takes the stack down: its workers are done by then."""
    if not hasattr(session.config, "workerinput"):
        _down()
