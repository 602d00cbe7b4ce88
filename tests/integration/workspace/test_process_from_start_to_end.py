"""`python -m workspace` as a process: environment, reports, signals, and no leaked secret."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from workspace.system.aws_clients import Clients

from sitewright.contracts.steps import StepEnv, StepName
from sitewright.contracts.workspace_settings import WorkspaceSettings
from tests.support.workspace.git_host import TOKEN, GitHost, serve_git
from tests.support.workspace.runner_parts import (
    REGION,
    accept,
    git,
    make_aws,
    make_remote,
    read_command,
    read_session,
)
from tests.support.workspace.runner_world import wait_for
from tests.support.workspace.two_users import NAMESPACE, TwoUsers, entry_point, python_closed, two_users, why_not

REPOSITORY = Path(__file__).parents[3]


@contextmanager
def serve_reports() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """Serves Step Functions' SendTask* and the task metadata on loopback."""
    calls: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            calls.append((self.headers["X-Amz-Target"].rpartition(".")[2], body))
            self._send(b"{}")

        def do_GET(self) -> None:
            self._send(json.dumps({"TaskARN": "arn:aws:ecs:us-west-2:1:task/c/t"}).encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", calls
    finally:
        server.shutdown()
        server.server_close()


class Container:
    def __init__(self, folder: Path, host: GitHost, aws: str, sfn: str, clients: Clients) -> None:
        self.folder, self.host, self.aws, self.sfn, self.clients = folder, host, aws, sfn, clients

    def start(self, step: StepName, *, before: Sequence[str] = (), **more: str) -> "subprocess.Popen[str]":
        env = dict.fromkeys(WorkspaceSettings.variables(), "1") | {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'container'}",
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_ENDPOINT_URL_SFN": self.sfn,
            "AWS_ACCESS_KEY_ID": "AKIASECRETACCESSKEY",
            "AWS_SECRET_ACCESS_KEY": "very-secret-aws-key",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "ECS_CONTAINER_METADATA_URI_V4": f"{self.sfn}/v4/x",
            "SITEWRIGHT_ROOT": str(self.folder / "ws"),
            "SITEWRIGHT_CLIENT_ID": "amelia",
            "SITEWRIGHT_REPOSITORY": self.host.url,
            "SITEWRIGHT_ARTIFACTS_BUCKET": "artifacts",
            "SITEWRIGHT_SESSIONS_TABLE": "sessions",
            "SITEWRIGHT_COMMANDS_TABLE": "commands",
            "SITEWRIGHT_GIT_SECRET": "git-token",
            "SITEWRIGHT_MODEL_KEY_SECRET": "model-key",
            "SITEWRIGHT_MODEL_PROVIDER": "anthropic",
            "SITEWRIGHT_GIT_AUTH": "token",
            "SITEWRIGHT_SESSIONS": "shared",
            "SITEWRIGHT_BRANCH_PREFIX": "thread-",
            "SITEWRIGHT_BUILD_ENVIRONMENT": "",
            "SITEWRIGHT_DIRECTORY": "",
            "SITEWRIGHT_OUTPUT": "",
            "SITEWRIGHT_SIGNING_KEY_SECRET": "",
            "SITEWRIGHT_COMMIT_AUTHOR": "Sitewright <sitewright@users.noreply.example>",
            "SITEWRIGHT_AGENT_TIMEOUT_SECONDS": "60",
            "SITEWRIGHT_BUILD_TIMEOUT_SECONDS": "60",
            "SITEWRIGHT_PUSH_TIMEOUT_SECONDS": "60",
            StepEnv.STEP: step,
            StepEnv.TASK_TOKEN: "the-task-token",
            StepEnv.CLIENT_ID: "amelia",
            StepEnv.SESSION_ID: "s1",
            StepEnv.COMMAND_ID: "cmd-1",
            StepEnv.GENERATION: "1",
        }
        return subprocess.Popen(
            [*before, sys.executable, "-m", "workspace"],
            env=env | more,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture
def container(tmp_path: Path) -> Iterator[tuple[Container, list[tuple[str, dict[str, Any]]]]]:
    make_remote(tmp_path / "host")
    with serve_aws(tmp_path) as endpoint, serve_git(tmp_path / "host") as host, serve_reports() as (sfn, calls):
        clients = _Local(endpoint)
        make_aws(clients)
        accept(clients, "cmd-1", 1)
        yield Container(tmp_path, host, endpoint, sfn, clients), calls


@contextmanager
def serve_aws(folder: Path) -> Iterator[str]:
    """Serves MiniStack with the services that a workspace writes to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "s3,dynamodb,ssm",
    }
    argv = [sys.executable, "-m", "ministack"]
    child = subprocess.Popen(argv, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _listens(port), 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class _Local(Clients):
    def __init__(self, endpoint: str) -> None:
        super().__init__()
        self._endpoint = endpoint

    def _client(self, service: str, config: Any) -> Any:
        if service not in self._made:
            self._made[service] = boto3.client(  # type: ignore[call-overload]
                service, endpoint_url=self._endpoint, region_name=REGION, aws_access_key_id="x",
                aws_secret_access_key="y",
            )  # fmt: skip
        return self._made[service]


def reports(calls: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    return [call for call in calls if call[0] != "SendTaskHeartbeat"]


def test_a_step_as_a_process(container: tuple[Container, list[tuple[str, dict[str, Any]]]]) -> None:
    made, calls = container
    child = made.start(StepName.SALVAGE)
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 0, output
    ((name, body),) = reports(calls)
    assert name == "SendTaskSuccess" and body["taskToken"] == "the-task-token"
    assert json.loads(body["output"])["pushed"] is True
    assert ("SendTaskHeartbeat", {"taskToken": "the-task-token"}) in calls
    assert git(made.host.root / "site.git", "branch", "--list", "thread-t1")
    assert read_session(made.clients).checkpoint is not None
    lines = [json.loads(line) for line in output.splitlines()]
    assert all(line["sessionId"] == "s1" and line["commandId"] == "cmd-1" for line in lines)
    for secret in (TOKEN, "the-task-token", "very-secret-aws-key"):
        assert secret not in output


@pytest.fixture
def pid_1() -> Iterator[tuple[TwoUsers, list[str]]]:
    """The image's entry point in a process namespace, and the folder of a workspace with two users."""
    if reason := why_not() or python_closed():
        pytest.skip(reason)
    with two_users() as world:
        yield world, [*NAMESPACE, *entry_point()]


def test_a_step_as_pid_1_with_two_users(
    container: tuple[Container, list[tuple[str, dict[str, Any]]]], pid_1: tuple[TwoUsers, list[str]]
) -> None:
    (made, calls), (world, before) = container, pid_1
    users = {"SITEWRIGHT_ROOT": str(world.root), "SITEWRIGHT_GUEST_UID": str(world.uid), "HOME": "/"}
    child = made.start(StepName.SALVAGE, before=before, **users)
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 0, output
    assert json.loads(reports(calls)[0][1]["output"])["pushed"] is True
    assert git(made.host.root / "site.git", "branch", "--list", "thread-t1")
    owners = {path.name: (path.stat().st_uid, path.stat().st_mode & 0o777) for path in world.root.iterdir()}
    assert owners["private"] == (1001, 0o700)
    assert {owners[name][0] for name in ("site", "home", "guest-tmp")} == {world.uid}
    assert {path.stat().st_uid for path in (world.root / "site" / ".git").rglob("*")} == {world.uid}
    for secret in (TOKEN, "the-task-token", "very-secret-aws-key"):
        assert secret not in output


def test_sigterm_before_the_imports_are_done_is_not_lost_by_pid_1(
    container: tuple[Container, list[tuple[str, dict[str, Any]]]], pid_1: tuple[TwoUsers, list[str]]
) -> None:
    (made, calls), (world, before) = container, pid_1
    users = {"SITEWRIGHT_ROOT": str(world.root), "SITEWRIGHT_GUEST_UID": str(world.uid), "HOME": "/"}
    child = made.start(StepName.SALVAGE, before=before, **users)
    wait_for(lambda: importing_runner(child.pid) is not None, 10)
    runner = importing_runner(child.pid)
    assert runner is not None
    os.kill(runner, signal.SIGTERM)
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 0, output
    ((name, body),) = reports(calls)
    assert name == "SendTaskFailure" and body["error"] == "Workspace.Stopped", output


def importing_runner(pid: int) -> int | None:
    """Returns the runner while it blocks SIGTERM: it imports its modules."""
    for child in psutil.Process(pid).children():
        status = Path(f"/proc/{child.pid}/status").read_text()
        blocked = next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk"))
        if int(blocked, 16) & 1 << (signal.SIGTERM - 1):
            return child.pid
    return None


def test_sigterm_saves_reports_and_ends(container: tuple[Container, list[tuple[str, dict[str, Any]]]]) -> None:
    made, calls = container
    first = made.start(StepName.SALVAGE)
    first.communicate(timeout=60)
    made.host.answer = 503
    child = made.start(StepName.PUSH)
    asked = len(made.host.seen)
    wait_for(lambda: len(made.host.seen) > asked, 30)
    session = read_session(made.clients)
    assert session.workspace_id == "arn:aws:ecs:us-west-2:1:task/c/t" and session.claim_generation == 1
    child.send_signal(signal.SIGTERM)
    output, _ = child.communicate(timeout=20)
    assert child.returncode == 0, output
    name, body = reports(calls)[-1]
    assert (name, body["error"]) == ("SendTaskFailure", "Workspace.Stopped")
    assert read_session(made.clients).workspace_id is None
    assert read_command(made.clients, "cmd-1").interruption is None


def test_a_wrong_environment_is_reported_by_name(
    container: tuple[Container, list[tuple[str, dict[str, Any]]]],
) -> None:
    made, calls = container
    child = made.start(StepName.PUSH, SITEWRIGHT_MAX_TURNS="many")
    output, _ = child.communicate(timeout=30)
    assert child.returncode == 1
    name, body = reports(calls)[-1]
    assert (name, body["error"]) == ("SendTaskFailure", "Workspace.CannotStart")
    assert "SITEWRIGHT_MAX_TURNS" in json.loads(body["cause"])["message"], output
