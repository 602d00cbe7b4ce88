"""The command line without a stack, or with a broken one: one line with fault, place and remedy, never a traceback."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sitewright.local.machine.marked_processes import STACK_MARK
from sitewright.local.machine.service_processes import ProcessRecord, start_time
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack.services import stop_all
from tests.home import sitewright

DEAD = "http://127.0.0.1:9"


def half_up(home: Home, *services: str) -> None:
    """Records a stack of which these services run (this process stands for each), at a port without a listener."""
    home.create()
    table = {"commands": "c", "sessions": "s", "deployments": "d"}
    site = {"client_id": "amelia", "state_machine_arn": "arn:aws:states:us-west-2:000000000000:stateMachine:m"}
    info = {"endpoint_url": DEAD, "region": "us-west-2", "input_queue_url": DEAD + "/q", "tables": table}
    home.stack_file.write_text(json.dumps({**info, "sites": [site], "demo_model_url": None}))
    for name in services:
        ProcessRecord(os.getpid(), start_time(os.getpid()) or "").save(home.run / f"{name}.json")


@pytest.mark.parametrize("command", [["send", "x"], ["runs"], ["watch"], ["send", "x", "--wait", "--json"]])
def test_without_a_stack(tmp_path: Path, command: list[str]) -> None:
    done = sitewright(*command, home=tmp_path / "home", check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "No local stack is running. Start it with `sitewright up`.\n"


def test_a_repository_whose_variable_was_not_set_is_no_demo_site(tmp_path: Path) -> None:
    done = sitewright("up", "--client", "bruno", "--site-repo", "", home=tmp_path / "home", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("--site-repo is empty. ")
    assert not (tmp_path / "home" / "stack.json").exists()


def test_a_message_is_not_sent_into_a_half_dead_stack(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    half_up(home, "emulator", "git-host", "website")
    done = sitewright("send", "x", home=home.root, check=False)
    assert done.returncode == 2
    assert done.stderr == "The local stack is half down: ecs is gone. Start it with `sitewright up`.\n"


@pytest.mark.parametrize("command", [["send", "x"], ["runs"], ["watch"]])
def test_an_emulator_that_does_not_answer_is_one_line(tmp_path: Path, command: list[str]) -> None:
    home = Home(tmp_path / "home")
    half_up(home, "emulator", "git-host", "ecs", "website")
    done = sitewright(*command, home=home.root, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert DEAD in done.stderr
    assert "sitewright up" in done.stderr


def test_down_twice_and_down_of_nothing(tmp_path: Path) -> None:
    for home in (tmp_path / "none", tmp_path / "none", tmp_path):
        done = sitewright("down", home=home)
        assert done.stderr == "Nothing was running.\n"


def test_down_ends_processes_without_a_record(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    env = {STACK_MARK: str(home.root), "PATH": os.environ["PATH"]}
    ours = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=env, start_new_session=True)
    other = subprocess.Popen(["sleep", "60"], env={STACK_MARK: str(home.root) + "-other"})
    try:
        deadline = time.monotonic() + 5
        while stop_all(home) == 0:
            assert time.monotonic() < deadline
        assert ours.wait(5) == -9
        assert other.poll() is None
    finally:
        ours.kill()
        other.kill()
        other.wait()
