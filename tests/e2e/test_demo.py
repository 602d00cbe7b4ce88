"""`make demo` and `sitewright watch`, as a new user runs them."""

import os
import signal
import subprocess
import sys
import threading

from sitewright.local.machine.stack_home import Home
from sitewright.local.stack.stack_owner import owner_of, watch_owner
from tests.home import HOME, REPO, environment
from tests.support.e2e.sites import OTHER
from tests.support.e2e.stack_driver import Stack, until


def steps(shown: list[str]) -> str:
    """Returns the lines of `watch` about the stack's first site, which the demo uses."""
    return "".join(line for line in shown if line.startswith(OTHER))


def test_the_demo_changes_the_site_and_watch_shows_its_steps(stack: Stack) -> None:
    command = [sys.executable, "-u", "-m", "sitewright.cli.main", "watch"]
    watching = subprocess.Popen(command, cwd=REPO, env=environment(), stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    shown: list[str] = []
    reader = threading.Thread(target=lambda: shown.extend(watching.stdout or ()))
    reader.start()
    try:
        argv = [sys.executable, "-m", "sitewright.local.demo"]
        done = subprocess.run(
            argv, cwd=REPO, env=environment(), capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        until("watch shows the end of the run", lambda: "succeeded" in steps(shown), seconds=20)
    finally:
        watching.send_signal(signal.SIGINT)
        code = watching.wait(20)
        reader.join(20)
        restored = owner_of(os.environ)
        assert restored is not None
        watch_owner(Home(HOME), restored)  # the demo changed the stack's owner: now it ends with the tests again
    assert "✓ the site changed" in done.stdout and "✓ the git remote has the commit" in done.stdout
    assert code == 0
    assert all(step in steps(shown) for step in ("Agent", "WriteCommitMessage", "Build", "RecordSync", "Push")), shown
