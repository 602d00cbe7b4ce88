"""A stack ends with the process that owns it, whatever ends that process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sitewright.local.machine.marked_processes import STACK_MARK, processes_of_stack
from sitewright.local.machine.service_processes import ProcessRecord, start_time
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack.stack_control import end_stack
from sitewright.local.stack.stack_owner import OWNER_VARIABLE
from tests.home import REPO, sitewright

TEST = "from tests.home import sitewright\n\n\ndef test_up():\n    sitewright('up')\n"
SECONDS = 90


def wait_until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])  # SIGTERM is handled as SIGINT
def test_a_test_run_that_is_ended_leaves_no_process_of_its_stack(tmp_path: Path, number: signal.Signals) -> None:
    home = Home(tmp_path / "home")
    (tmp_path / "test_up.py").write_text(TEST)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "SITEWRIGHT"))}
    env |= {"SITEWRIGHT_TEST_HOME": str(home.root), "PYTHONPATH": str(REPO)}
    argv = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-n", "1"]
    with (tmp_path / "output").open("wb") as output:
        runner = subprocess.Popen(
            [*argv, f"--rootdir={tmp_path}", str(tmp_path / "test_up.py")],
            cwd=tmp_path,
            env=env,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        # The hardest moment: services run and `up` still works.
        wait_until(lambda: (home.run / "website.json").exists() or runner.poll() is not None, "no service started")
        assert runner.poll() is None, (tmp_path / "output").read_text()
        lock_owner = ProcessRecord.load(home.lock_owner)
        assert lock_owner is not None
        started = {pid: start_time(pid) for pid in [*processes_of_stack(home.root), lock_owner.pid]}
        assert len(started) >= 6, "the services, the watcher and `up`"

        runner.send_signal(number)
        runner.wait(SECONDS)

        wait_until(
            lambda: not processes_of_stack(home.root) and all(start_time(pid) != at for pid, at in started.items()),
            "processes are left",
        )
    finally:
        runner.kill()
        runner.wait()


def test_a_stack_ends_although_its_home_is_deleted(tmp_path: Path) -> None:
    home = Home(tmp_path / "deleted")
    service = subprocess.Popen(["sleep", "60"], env={**os.environ, STACK_MARK: str(home.root)})
    try:
        wait_until(lambda: processes_of_stack(home.root) == [service.pid], "the service carries no mark")
        assert end_stack(home, lambda _: None) == 1
        assert service.wait(SECONDS) < 0
    finally:
        service.kill()
        service.wait()


def test_nothing_starts_for_an_owner_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    monkeypatch.setenv(OWNER_VARIABLE, str(gone.pid))
    done = sitewright("up", home=tmp_path / "home", check=False)
    assert done.returncode == 130
    assert done.stderr == f"The owner of this stack (process {gone.pid}) is gone. Nothing was started.\n"
    assert not (tmp_path / "home" / "stack.json").exists()
