"""Tasks as real host processes, and what the data plane says about their ends; the emulator is an in-memory double."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sitewright.local.aws_clients import Aws
from sitewright.local.ecs.event_faults import write
from sitewright.local.ecs.process_task import ProcessRuntime
from sitewright.local.ecs.task import Runtime
from sitewright.local.ecs.task_supervisor import ASK_SECONDS, TaskSupervisor
from sitewright.local.machine.service_processes import ProcessRecord, start_time
from sitewright.local.machine.stack_home import Home
from tests.home import REPO

CLUSTER = "arn:aws:ecs:us-west-2:000000000000:cluster/c"
OTHER = "arn:aws:ecs:us-west-2:000000000000:cluster/other"
SHOW = (
    "import os; print(os.environ['A'], os.environ['B'], os.environ.get('AWS_PROFILE'), os.environ['SITEWRIGHT_ROOT'])"
)
PAGE = 2
SLEEP = "import time; print('up', flush=True); time.sleep(60)"


class Emulator:
    """ECS, Logs, EventBridge and Lambda, as far as the data plane asks them."""

    def __init__(self, code: str) -> None:
        self.definition: dict[str, Any] = {
            "executionRoleArn": "arn:aws:iam::000000000000:role/writes-logs",
            "containerDefinitions": [
                {
                    "name": "workspace",
                    "command": ["python", "-c", code],
                    "environment": [{"name": "A", "value": "defined"}, {"name": "B", "value": "defined"}],
                    "stopTimeout": 2,
                    "logConfiguration": {"options": {"awslogs-group": "g", "awslogs-stream-prefix": "workspace"}},
                }
            ],
        }
        self.running = [f"{CLUSTER.replace(':cluster/', ':task/')}/t1"]
        self.hidden = ""  # a running task that no page shows
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.lines: list[str] = []

    def get_paginator(self, name: str) -> Any:
        pages = [{"clusterArns": [CLUSTER]}]
        if name == "list_tasks":
            pages = [{"taskArns": self.running[n : n + PAGE]} for n in range(0, len(self.running), PAGE)]
        return SimpleNamespace(paginate=lambda **_: pages)

    def describe_tasks(self, tasks: list[str], **_: Any) -> Any:
        override = {"name": "workspace", "environment": [{"name": "B", "value": "overridden"}]}
        task = {
            "clusterArn": CLUSTER,
            "taskDefinitionArn": "d",
            "group": "g",
            "startedBy": "sfn",
            "overrides": {"containerOverrides": [override]},
        }
        status = {arn: "RUNNING" if arn in self.running or arn == self.hidden else "STOPPED" for arn in tasks}
        return {"tasks": [{"taskArn": arn, "desiredStatus": status[arn], **task} for arn in tasks]}

    def describe_task_definition(self, **_: Any) -> Any:
        return {"taskDefinition": self.definition}

    def stop_task(self, task: str, **_: Any) -> None:
        if task in self.running:
            self.running.remove(task)

    def create_log_stream(self, **_: Any) -> None:
        pass

    def put_log_events(self, logEvents: list[Any], **_: Any) -> None:
        self.lines += [event["message"] for event in logEvents]

    def list_rules(self) -> Any:
        def rule(name: str, cluster: str, state: str = "ENABLED", source: str = "aws.ecs") -> dict[str, str]:
            pattern = {"source": [source], "detail": {"clusterArn": [cluster]}}
            return {"Name": name, "State": state, "EventPattern": json.dumps(pattern)}

        return {
            "Rules": [
                rule("ours", CLUSTER),
                rule("other-cluster", OTHER),
                rule("off", CLUSTER, "DISABLED"),
                rule("other-source", CLUSTER, source="aws.states"),
                {"Name": "a-schedule"},
            ]
        }

    def list_targets_by_rule(self, Rule: str) -> Any:
        return {"Targets": [{"Arn": f"function-of-{Rule}"}]}

    def invoke(self, FunctionName: str, Payload: bytes, **_: Any) -> None:
        self.events.append((FunctionName, json.loads(Payload)))


def plane_of(
    emulator: Emulator, tmp_path: Path, start_delay: float = 0.0, runtime: Runtime | None = None
) -> TaskSupervisor:
    home = Home(tmp_path / "home")
    home.create()
    aws = SimpleNamespace(
        ecs=emulator,
        logs=emulator,
        events=emulator,
        functions=emulator,
        endpoint_url="http://127.0.0.1:1",
        region="us-west-2",
    )
    runtime = runtime or ProcessRuntime(home, "http://127.0.0.1:1", "us-west-2")
    plane = TaskSupervisor(cast(Aws, aws), home, 1, start_delay, runtime)
    plane.roles.writing_log = lambda task, role: aws  # type: ignore[assignment,misc]
    return plane


def poll_until(plane: TaskSupervisor, done: Any) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline, "nothing happened for 20 s"
        plane.poll()
        time.sleep(0.02)


def wait_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 5
    while any(start_time(pid) for pid in pids):
        assert time.monotonic() < deadline, "a child outlived its container"
        time.sleep(0.02)


def test_a_task_gets_its_environment_and_its_end_is_reported_once(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_PROFILE", "the-users-own")
    emulator = Emulator(SHOW + "; raise SystemExit(3)")
    plane = plane_of(emulator, tmp_path)
    poll_until(plane, lambda: emulator.events)
    plane.poll()
    assert emulator.lines == [f"defined overridden None {plane.home.tasks / 't1'}"]
    assert emulator.running == []
    [(function, event)] = emulator.events
    assert function == "function-of-ours"
    detail = event["detail"]
    assert (event["source"], event["detail-type"], event["account"]) == (
        "aws.ecs",
        "ECS Task State Change",
        "000000000000",
    )
    assert (detail["lastStatus"], detail["stopCode"]) == ("STOPPED", "EssentialContainerExited")
    assert detail["containers"][0]["exitCode"] == 3
    assert detail["overrides"]["containerOverrides"][0]["name"] == "workspace"
    assert list(plane.home.task_records.iterdir()) == []


def test_stop_task_ends_the_process(tmp_path: Path) -> None:
    emulator = Emulator(SLEEP)
    plane = plane_of(emulator, tmp_path)
    poll_until(plane, lambda: emulator.lines)
    emulator.running.clear()
    poll_until(plane, lambda: emulator.events)
    detail = emulator.events[0][1]["detail"]
    assert (detail["stopCode"], detail["containers"][0]["exitCode"]) == ("UserInitiated", 143)


def test_a_task_stopped_before_its_start_never_runs(tmp_path: Path) -> None:
    emulator = Emulator(SLEEP)
    plane = plane_of(emulator, tmp_path, start_delay=0.3)
    plane.poll()
    emulator.running.clear()
    poll_until(plane, lambda: emulator.events)
    time.sleep(0.5)
    detail = emulator.events[0][1]["detail"]
    assert detail["stopCode"] == "UserInitiated"
    assert "exitCode" not in detail["containers"][0]
    assert not (plane.home.tasks / "t1").exists()


def test_a_command_that_is_not_there_fails_to_start(tmp_path: Path) -> None:
    emulator = Emulator("")
    emulator.definition["containerDefinitions"][0]["command"] = ["no-such-program"]
    plane = plane_of(emulator, tmp_path)
    poll_until(plane, lambda: emulator.events)
    detail = emulator.events[0][1]["detail"]
    assert detail["stopCode"] == "TaskFailedToStart"
    assert "CannotStartContainerError" in detail["stoppedReason"]


def test_background_children_end_with_the_container(tmp_path: Path) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL).pid)"
    emulator = Emulator(code)
    plane = plane_of(emulator, tmp_path)
    poll_until(plane, lambda: emulator.events)
    wait_gone([int(emulator.lines[0])])


def test_a_data_plane_after_a_crash_goes_on_with_the_running_process(tmp_path: Path) -> None:
    go = tmp_path / "go"
    code = (
        "import pathlib, time\nprint('up', flush=True)\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.02)\nprint('late')"
    )
    emulator = Emulator(code)
    first = plane_of(emulator, tmp_path)
    poll_until(first, lambda: emulator.lines)
    record = ProcessRecord.load(first.home.task_records / "t1.json")
    assert record is not None

    second = plane_of(emulator, tmp_path)
    second.poll()
    assert record.alive
    go.touch()
    first.tasks["t1"].process.wait()  # type: ignore[union-attr]
    poll_until(second, lambda: emulator.events)
    assert emulator.lines == ["up", "late"]
    assert "exitCode" not in emulator.events[0][1]["detail"]["containers"][0]


def test_the_end_of_the_data_plane_ends_its_tasks(tmp_path: Path) -> None:
    emulator = Emulator(SLEEP)
    plane = plane_of(emulator, tmp_path)
    poll_until(plane, lambda: emulator.lines)
    record = ProcessRecord.load(plane.home.task_records / "t1.json")
    plane.end()
    assert record is not None
    assert not record.alive
    assert not list(plane.home.task_records.iterdir())


def test_tasks_of_every_page_run_and_none_is_stopped(tmp_path: Path) -> None:
    emulator = Emulator(SLEEP)
    emulator.running = [f"{CLUSTER.replace(':cluster/', ':task/')}/t{n}" for n in range(5)]
    plane = plane_of(emulator, tmp_path)
    try:
        poll_until(plane, lambda: len(emulator.lines) == 5)
        plane.poll()
        assert not any(task.stop_asked for task in plane.tasks.values())

        emulator.hidden = emulator.running.pop(0)  # skipped by a page, but not stopped
        plane.poll()
        assert not plane.tasks["t0"].stop_asked

        emulator.hidden = ""
        poll_until(plane, lambda: emulator.events)
        assert emulator.events[0][1]["detail"]["taskArn"].endswith("/t0")
    finally:
        plane.end()


ESCAPED = """
import os, subprocess, sys
home = os.environ["SITEWRIGHT_ROOT"] + "/home"
for env in ({"HOME": home, "PATH": os.environ["PATH"]}, dict(os.environ)):
    child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, env=env, start_new_session=True)
    print(child.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_left_the_session_ends_with_the_task(tmp_path: Path) -> None:
    emulator = Emulator(ESCAPED)
    plane = plane_of(emulator, tmp_path)
    bystander = subprocess.Popen(["sleep", "60"], cwd=tmp_path, env={"PWD": str(plane.home.tasks / "t1")})
    try:
        poll_until(plane, lambda: emulator.events)
        assert len(emulator.lines) == 2
        wait_gone([int(line) for line in emulator.lines])
        assert bystander.poll() is None, "a shell that stands in the folder is nobody's leftover"
    finally:
        bystander.kill()
        bystander.wait()


ORPHANED = '''
import os, subprocess, sys, time
from sitewright.local.ecs.orphan_processes import become_subreaper, kill_orphans
assert become_subreaper()
own = subprocess.Popen(["sleep", "60"])
code = """if True:
    import os, subprocess
    child = subprocess.Popen(["sleep", "60"], env={}, start_new_session=True)
    print(child.pid, flush=True)
    os.kill(os.getpid(), 9)
"""
task = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env={}, start_new_session=True)
pid = int(task.stdout.readline())
task.wait()
killed = kill_orphans({own.pid})
print(pid, killed, own.poll())
own.kill()
'''


@pytest.mark.skipif(sys.platform != "linux", reason="subreapers are Linux's")
def test_an_orphan_without_any_mark_is_found_by_the_subreaper() -> None:
    done = subprocess.run([sys.executable, "-c", ORPHANED], capture_output=True, text=True, check=True, cwd=REPO)
    pid, killed, own = done.stdout.split()
    assert (killed, own) == ("1", "None")
    wait_gone([int(pid)])


def test_a_task_that_was_started_but_not_written_down_does_not_run_twice(tmp_path: Path) -> None:
    emulator = Emulator(SLEEP)
    first = plane_of(emulator, tmp_path)
    poll_until(first, lambda: emulator.lines)
    record = ProcessRecord.load(first.home.task_records / "t1.json")
    assert record is not None
    (first.home.task_records / "t1.json").unlink()  # as if killed before the write

    second = plane_of(emulator, tmp_path)
    poll_until(second, lambda: (second.home.task_records / "t1.json").exists())

    assert not record.alive
    second.end()


def test_lost_and_repeated_events(tmp_path: Path) -> None:
    emulator = Emulator("")
    plane = plane_of(emulator, tmp_path)
    write(plane.home.event_faults, seed=1, drop=1, duplicate=0, delay=0, seconds=0.1)
    plane.poll()
    poll_until(plane, lambda: not plane.tasks)
    assert emulator.events == []

    again = plane_of(emulator, tmp_path)
    emulator.running = [f"{CLUSTER.replace(':cluster/', ':task/')}/t2"]
    write(again.home.event_faults, seed=1, drop=0, duplicate=1, delay=0, seconds=0.1)
    poll_until(again, lambda: len(emulator.events) == 2)
    assert emulator.events[0][1]["detail"] == emulator.events[1][1]["detail"]


def test_cleaning_up_does_not_keep_the_next_task_waiting(tmp_path: Path, monkeypatch: Any) -> None:
    emulator = Emulator("print('up', flush=True)")
    plane = plane_of(emulator, tmp_path)
    go = threading.Event()
    monkeypatch.setattr("sitewright.local.ecs.task_supervisor.shutil.rmtree", lambda *_, **__: go.wait(20))
    poll_until(plane, lambda: emulator.events)
    emulator.running = [f"{CLUSTER.replace(':cluster/', ':task/')}/t2"]
    try:
        poll_until(plane, lambda: len(emulator.events) == 2)
        assert not go.is_set()
    finally:
        go.set()
        plane.cleaner.shutdown()


def test_the_emulator_is_asked_when_it_announced_an_order_and_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = plane_of(Emulator(SLEEP), tmp_path)
    asked = list[float]()
    monkeypatch.setattr(plane, "poll", lambda: asked.append(plane._asked_at))

    for _ in range(2):  # nothing is announced at all
        plane.round()
    assert len(asked) == 2
    plane.home.orders.write_text("1")
    for _ in range(3):
        plane.round()
    assert len(asked) == 3, "asked without an order"
    plane.home.orders.write_text("2")
    plane.round()
    assert len(asked) == 4, "not asked after an order"
    plane._asked_at -= ASK_SECONDS + 1
    plane.round()
    assert len(asked) == 5, "never asked again"
