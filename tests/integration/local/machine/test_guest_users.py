"""A user of its own for each task of host processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sitewright.local.ecs.process_task import ProcessRuntime
from sitewright.local.machine import guest_users
from sitewright.local.machine.stack_home import Home

DEFINITION = {"containerDefinitions": [{"name": "workspace", "command": ["python", "-c", "pass"]}]}


def task(identity: str) -> dict[str, str]:
    return {"taskArn": f"arn:aws:ecs:us-west-2:000000000000:task/c/{identity}", "clusterArn": "c"}


def test_without_root_there_is_one_user_and_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root" in (guest_users.obstacle(Home(tmp_path)) or "")


def test_a_closed_folder_on_the_way_is_an_obstacle_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "executable", "/usr/bin/env")
    monkeypatch.setattr(guest_users, "REPOSITORY_ROOT", Path("/usr"))
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    tmp_path.chmod(0o755)
    reason = guest_users.obstacle(Home(closed / "home")) or ""
    assert "cannot pass" in reason


def test_no_two_running_tasks_have_one_uid_and_an_ended_one_frees_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter([5, 5, 7, 5])
    monkeypatch.setattr(guest_users.secrets, "randbelow", lambda _: next(drawn))
    runtime = ProcessRuntime(Home(tmp_path), "http://127.0.0.1:1", "us-west-2", guests=True)
    first, second = (runtime.task(task(name), DEFINITION, {}) for name in ("t1", "t2"))
    assert (first.guest, second.guest) == (200_006, 200_008)
    assert second.environment()[guest_users.GUEST_UID] == "200008"
    runtime.clear({"t2": second})
    assert runtime.task(task("t3"), DEFINITION, {}).guest == 200_006


def test_without_a_second_user_the_task_is_told_of_none(tmp_path: Path) -> None:
    runtime = ProcessRuntime(Home(tmp_path), "http://127.0.0.1:1", "us-west-2")
    env = runtime.task(task("t1"), DEFINITION, {}).environment()
    assert guest_users.GUEST_UID not in env and "IS_SANDBOX" not in env


def test_guests_pass_to_the_tasks_and_read_nothing_on_the_way(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.cdk_out.mkdir()
    guest_users.open_for_guests(home)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (home.root, *home.root.iterdir())}
    assert modes.pop("home") == modes.pop("tasks") == 0o711
    assert set(modes.values()) == {0o700}


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="another user needs root")
def test_a_guests_processes_are_found_and_its_uid_is_known_again() -> None:
    uid = guest_users.free_uid([])
    argv = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", "sleep", "30"]
    with subprocess.Popen(argv, env={"PATH": os.environ["PATH"], guest_users.GUEST_UID: str(uid)}) as child:
        try:
            while guest_users.processes_of(uid) != [child.pid]:
                assert child.poll() is None
            assert guest_users.uid_of(child.pid) == uid
        finally:
            child.kill()
    assert guest_users.uid_of(child.pid) is None
