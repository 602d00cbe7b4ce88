"""`--runtime docker` against a small engine of our own: what it is asked, and what becomes of a container."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sitewright.local.containers import workspace_image
from sitewright.local.containers.container_engine import Engine
from sitewright.local.ecs.container_task import ContainerRuntime
from sitewright.local.ecs.task_supervisor import TaskSupervisor
from sitewright.local.errors import ImageFailed, NoEngine
from sitewright.local.machine.marked_processes import STACK_MARK
from sitewright.local.machine.service_environment import container_network, engine_environment
from sitewright.local.machine.stack_home import Home
from tests.home import REPO, sitewright
from tests.integration.local.ecs.test_task_supervisor import SLEEP, Emulator, plane_of, poll_until

IMAGE = "localhost/sitewright-workspace:1"
FOREVER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


FAKE_ENGINE = Path(__file__).parents[3] / "support/local/fake_engine.py"


class Fake:
    """The folder of a fake engine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("containers", "removed"):
            (root / name).mkdir(parents=True)
        (root / "images").write_text(IMAGE + "\n")
        self.program = root / "engine.py"
        shutil.copy(FAKE_ENGINE, self.program)
        self.engine = Engine((sys.executable, str(self.program)))

    def calls(self, verb: str) -> list[list[str]]:
        lines = (self.root / "calls").read_text().splitlines() if (self.root / "calls").exists() else []
        return [call[1:] for line in lines if (call := json.loads(line))[0] == verb]

    def plane(self, emulator: Emulator, tmp_path: Path) -> TaskSupervisor:
        emulator.definition["containerDefinitions"][0]["image"] = IMAGE
        home = Home(tmp_path / "home")
        home.create()
        runtime = ContainerRuntime(self.engine, home, "http://127.0.0.1:1", "us-west-2")
        return plane_of(emulator, tmp_path, runtime=runtime)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    fake = Fake(tmp_path / "engine")
    yield fake
    fake.engine.remove_stack(tmp_path / "home")
    assert list((fake.root / "containers").iterdir()) == []


def end_of(emulator: Emulator) -> dict[str, Any]:
    [(_, event)] = emulator.events
    return dict(event["detail"])


def test_a_container_gets_the_task_and_its_end_is_reported(fake: Fake, tmp_path: Path, monkeypatch: Any) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("x")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("AWS_PROFILE", "the-users-own")
    code = "import os; print(os.environ['A'], os.environ['B'], os.environ.get('AWS_PROFILE')); raise SystemExit(3)"
    emulator = Emulator(code)
    emulator.definition |= {"cpu": "2048", "memory": "4096"}
    plane = fake.plane(emulator, tmp_path)
    poll_until(plane, lambda: emulator.events)

    assert emulator.lines == ["defined overridden None"]
    assert end_of(emulator)["stopCode"] == "EssentialContainerExited"
    assert end_of(emulator)["containers"][0]["exitCode"] == 3
    [run] = fake.calls("run")
    assert run[run.index(IMAGE) :] == [IMAGE, "python", "-c", code]
    for option in (
        "--pull=never",
        "--name=t1",
        "--network=host",
        "--cap-drop=ALL",
        "--cap-add=SETUID",
        "--security-opt=no-new-privileges",
        "--memory=4096m",
        "--cpu-quota=200000",
    ):
        assert option in run
    assert f"--volume={bundle}:{bundle}:ro" in run
    assert "--init" not in run, "an init process would show the task's environment"
    assert not any("privileged" in part and "no-new" not in part for part in run)
    assert not any("docker.sock" in part for part in run)


def test_the_environment_is_not_among_the_arguments_and_its_file_goes(fake: Fake, tmp_path: Path) -> None:
    emulator = Emulator("pass")
    plane = fake.plane(emulator, tmp_path)
    poll_until(plane, lambda: emulator.events)
    [run] = fake.calls("run")
    assert not any("overridden" in part for part in run)
    gone = fake.root / "removed" / "t1"
    env = (gone / "env").read_text().splitlines()
    assert "B=overridden" in env
    assert "ECS_CONTAINER_METADATA_URI_V4=http://127.0.0.1:1/v4/t1" in env
    assert not any(line.startswith(("PATH=", "HOME=", "SITEWRIGHT_ROOT=", STACK_MARK)) for line in env)
    assert (gone / "mode").read_text() == "0o600"
    assert list(plane.home.tmp.iterdir()) == []


def test_a_variable_of_two_lines_is_refused(fake: Fake, tmp_path: Path) -> None:
    emulator = Emulator("pass")
    emulator.definition["containerDefinitions"][0]["environment"].append({"name": "C", "value": "1\nAWS_X=2"})
    poll_until(fake.plane(emulator, tmp_path), lambda: emulator.events)
    assert end_of(emulator)["stopCode"] == "TaskFailedToStart"
    assert "the variable C has a line break" in end_of(emulator)["stoppedReason"]
    assert fake.calls("run") == []


def test_stop_is_sigterm_and_after_the_time_sigkill(fake: Fake, tmp_path: Path) -> None:
    for code, expected in ((SLEEP, 143), (FOREVER, 137)):
        emulator = Emulator(code)
        emulator.running = [f"{emulator.running[0]}-{expected}"]
        plane = fake.plane(emulator, tmp_path)
        poll_until(plane, lambda emulator=emulator: emulator.lines)
        emulator.running.clear()
        poll_until(plane, lambda emulator=emulator: emulator.events)
        assert (end_of(emulator)["stopCode"], end_of(emulator)["containers"][0]["exitCode"]) == (
            "UserInitiated",
            expected,
        )
    assert [call[:2] for call in fake.calls("stop")] == [["-t", "2"]] * 2


def test_out_of_memory_is_told_in_ecs_words(fake: Fake, tmp_path: Path) -> None:
    (fake.root / "oom").touch()
    emulator = Emulator("import os; os.kill(os.getpid(), 9)")
    poll_until(fake.plane(emulator, tmp_path), lambda: emulator.events)
    [container] = end_of(emulator)["containers"]
    assert container["exitCode"] == 137
    assert container["reason"].startswith("OutOfMemoryError")


def test_an_image_that_is_gone_fails_to_start(fake: Fake, tmp_path: Path) -> None:
    (fake.root / "images").write_text("")
    emulator = Emulator("pass")
    poll_until(fake.plane(emulator, tmp_path), lambda: emulator.events)
    assert end_of(emulator)["stopCode"] == "TaskFailedToStart"
    assert "image not known" in end_of(emulator)["stoppedReason"]


def test_a_data_plane_after_a_crash_goes_on_with_the_container(fake: Fake, tmp_path: Path) -> None:
    go = tmp_path / "go"
    code = (
        "import pathlib, time\nprint('up', flush=True)\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.02)\nprint('late'); raise SystemExit(4)"
    )
    emulator = Emulator(code)
    first = fake.plane(emulator, tmp_path)
    poll_until(first, lambda: emulator.lines)

    second = fake.plane(emulator, tmp_path)
    second.poll()
    go.touch()
    poll_until(second, lambda: emulator.events)
    assert emulator.lines == ["up", "late"]
    assert end_of(emulator)["containers"][0]["exitCode"] == 4
    assert len(fake.calls("run")) == 1


def test_a_container_that_nobody_accounts_for_is_removed(fake: Fake, tmp_path: Path) -> None:
    emulator = Emulator(SLEEP)
    poll_until(fake.plane(emulator, tmp_path), lambda: emulator.lines)
    emulator.running.clear()  # stopped while no data plane ran
    second = fake.plane(emulator, tmp_path)
    second.poll()
    second.runtime.clear(second.tasks)
    assert [folder.name for folder in (fake.root / "removed").iterdir()] == ["t1"]


def test_logs_that_end_early_are_taken_up_again(fake: Fake, tmp_path: Path) -> None:
    (fake.root / "logs-end").touch()
    emulator = Emulator("import time\nfor n in range(8): print(n, flush=True); time.sleep(0.2)")
    poll_until(fake.plane(emulator, tmp_path), lambda: emulator.events)
    assert emulator.lines == [str(n) for n in range(8)]


def test_the_end_of_the_data_plane_removes_its_containers(fake: Fake, tmp_path: Path) -> None:
    emulator = Emulator(FOREVER)
    plane = fake.plane(emulator, tmp_path)
    poll_until(plane, lambda: emulator.lines)
    began = time.monotonic()
    plane.end()
    assert time.monotonic() - began < 9, "`down` would have killed it"
    assert [folder.name for folder in (fake.root / "removed").iterdir()] == ["t1"]


def test_what_the_engine_is_started_with_is_not_marked_as_ours() -> None:
    env = engine_environment(
        {STACK_MARK: "/x", "TMPDIR": "/x/tmp", "DOCKER_HOST": "tcp://h", "AWS_PROFILE": "p", "PATH": "/bin"}
    )
    assert env == {"DOCKER_HOST": "tcp://h", "PATH": "/bin"}


def test_a_certificate_bundle_that_is_not_there_is_not_named(tmp_path: Path) -> None:
    env, options = container_network({"SSL_CERT_FILE": str(tmp_path / "none"), "HTTPS_PROXY": "http://p:1"})
    assert "SSL_CERT_FILE" not in env
    assert env["HTTPS_PROXY"] == "http://p:1"
    assert options == []


def test_the_tag_follows_the_content(tmp_path: Path) -> None:
    for part in workspace_image.PARTS:
        (tmp_path / part).parent.mkdir(exist_ok=True)
        (shutil.copytree if (REPO / part).is_dir() else shutil.copy)(REPO / part, tmp_path / part)
    first = workspace_image.tag(tmp_path, None)
    assert first == workspace_image.tag(REPO, None)
    (tmp_path / "sitewright" / "contracts" / "__pycache__").mkdir(exist_ok=True)
    (tmp_path / "sitewright" / "contracts" / "__pycache__" / "x.pyc").touch()
    assert workspace_image.tag(tmp_path, None) == first
    assert workspace_image.tag(tmp_path, "debian") != first
    (tmp_path / "container" / "workspace" / "new.py").touch()
    assert workspace_image.tag(tmp_path, None) != first


def test_the_image_is_built_once(fake: Fake, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("SITEWRIGHT_BASE_IMAGE", "localhost/base:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy:1")
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:secret@index/simple")
    home = Home(tmp_path / "home")
    home.create()
    said: list[str] = []
    name = workspace_image.provide(fake.engine, home, said.append)
    assert workspace_image.provide(fake.engine, home, said.append) == name
    [build] = fake.calls("build")
    assert "--build-arg=BASE_IMAGE=localhost/base:1" in build
    assert "--build-arg=HTTPS_PROXY" in build
    assert not any("secret@" in part for part in build)
    log = (home.log / "image.log").read_text()
    assert "index-url = https://user:secret@index/simple" in log, "the fake prints the secrets it is given"
    [file] = [part.partition("src=")[2] for part in build if "pip_conf" in part]
    assert not Path(file).exists()
    assert len(said) == 2


def test_pip_settings_without_paths_of_this_machine() -> None:
    listed = (
        ":env:.cert='/etc/ca.pem'\nglobal.index-url='https://a/simple'\nglobal.find-links='/opt/wheels'\n"
        "global.extra-index-url='file:///opt/simple https://b/simple'\nuser.trusted-host='b'\nglobal.broken"
    )
    assert workspace_image.pip_settings(listed) == {
        "index-url": "https://a/simple",
        "extra-index-url": "https://b/simple",
        "trusted-host": "b",
    }


def test_a_build_that_fails_says_where_to_look(fake: Fake, tmp_path: Path) -> None:
    (fake.root / "refuse").touch()
    home = Home(tmp_path / "home")
    home.create()
    with pytest.raises(ImageFailed) as caught:
        workspace_image.provide(fake.engine, home, lambda _: None)
    assert "no such base image" in caught.value.tail
    assert "SITEWRIGHT_BASE_IMAGE" in caught.value.remedy


@pytest.mark.parametrize(
    ("shows", "refuse", "limited", "said"),
    [
        (str(256 << 20), "", True, 0),
        ("max", "", False, 1),
        ("", "--memory", False, 1),
    ],
)
def test_limits_are_used_where_they_hold(fake: Fake, shows: str, refuse: str, limited: bool, said: int) -> None:
    (fake.root / "shows").write_text(shows)
    if refuse:
        (fake.root / "refuse").write_text(refuse)
    lines: list[str] = []
    assert workspace_image.try_out(fake.engine, IMAGE, lines.append) is limited
    assert len(lines) == said


def test_an_engine_that_runs_no_container_is_found_out_before_the_stack_starts(fake: Fake) -> None:
    (fake.root / "refuse").write_text("--network")
    with pytest.raises(ImageFailed, match="cannot run the workspace image: Error: refused"):
        workspace_image.try_out(fake.engine, IMAGE, lambda _: None)


def link(folder: Path, name: str, program: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {program} "$@"\n')
    (folder / name).chmod(0o755)


def test_docker_comes_before_podman_and_one_that_answers_before_one_that_does_not(tmp_path: Path) -> None:
    bins, docker, podman = tmp_path / "bin", Fake(tmp_path / "docker"), Fake(tmp_path / "podman")
    link(bins, "docker", docker.program)
    link(bins, "podman", podman.program)
    env = {"PATH": str(bins)}
    os_path = os.environ["PATH"]
    try:
        os.environ["PATH"] = f"{bins}:{os_path}"
        assert Engine.find(env).text == "docker"
        (docker.root / "down").touch()
        assert Engine.find(env).text == "podman"
        (docker.root / "down").unlink()
        assert Engine.find({**env, "SITEWRIGHT_CONTAINER_ENGINE": "podman --log-level=error"}).command[0] == "podman"
        (podman.root / "down").touch()
        with pytest.raises(NoEngine, match="podman does not answer \\(Cannot connect to the engine"):
            Engine.find({**env, "SITEWRIGHT_CONTAINER_ENGINE": "podman"})
    finally:
        os.environ["PATH"] = os_path


def test_without_an_engine_up_is_one_line(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("SITEWRIGHT_CONTAINER_ENGINE", "no-such-engine")
    done = sitewright("up", "--runtime", "docker", home=tmp_path / "home", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("`--runtime docker` needs Docker or Podman: no-such-engine is not installed. ")
    assert done.stderr.endswith("or run `sitewright up` without `--runtime`.\n")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "home").exists()


def test_an_interrupted_build_ends_the_engine(tmp_path: Path) -> None:
    mark = tmp_path / "ended"
    engine = tmp_path / "engine"
    engine.write_text(f"#!/bin/sh\ntrap 'touch {mark}; exit 1' TERM\necho started\nsleep 60 & wait\n")
    engine.chmod(0o755)
    code = (
        "import signal, sys; from pathlib import Path; from sitewright.local.containers.container_engine import Engine\n"
        "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        f"Engine(({str(engine)!r},)).build([], Path('.'), open({str(tmp_path / 'log')!r}, 'wb'))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=REPO, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not (tmp_path / "log").exists() or not (tmp_path / "log").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.terminate()
    process.wait(15)
    assert mark.exists()
