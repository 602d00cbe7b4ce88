"""A whole runner in the test's process, with a real git host, moto, and the test's own steps."""

import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from workspace.claim.session import SessionStore
from workspace.lifecycle.runner import Runner, Timing
from workspace.step_context import StepContext
from workspace.steps.step_registry import STEPS
from workspace.system.json_log import Log
from workspace.system.stop import Stop

from sitewright.contracts.steps import AgentResult, BuildResult, StepName
from tests.support.workspace.git_host import GitHost, serve_git
from tests.support.workspace.runner_parts import (
    TestClients,
    accept,
    git,
    make_bucket_and_secrets,
    make_remote,
    make_settings,
    read_session,
    request,
    tables_in_memory,
)

Step = Callable[[StepContext], Any]


@dataclass
class World:
    """One session with its git host, tables and bucket. Each `step` runs in a fresh workspace, which ends after it."""

    folder: Path
    host: GitHost
    clients: TestClients
    monkeypatch: pytest.MonkeyPatch
    containers: int = 0
    log: io.StringIO = field(default_factory=io.StringIO)
    root: Path = Path()
    hurried: float = 0
    """Seconds that the clock of idle workspaces advances at each reading."""
    skipped: float = 0

    @property
    def bare(self) -> Path:
        return self.host.root / "site.git"

    def prepare(
        self, step: StepName, command: str = "cmd-1", generation: int = 1, *, stop: Stop | None = None, **settings: Any
    ) -> Runner:
        self.containers += 1
        self.root = self.folder / f"container-{self.containers}"
        asked = request(step, command, generation, settings.pop("session", "s1"))
        return Runner(
            make_settings(self.root, settings.pop("repository", self.host.url), **settings),
            asked,
            self.clients,
            Log(self.log, step=step.value),
            stop or Stop(),
            f"task-{self.containers}",
            Timing(3.0, 0.2, 0.3, step_gap=0.0, command_gap=0.0, clock=self._clock),
        )

    def _clock(self) -> float:
        self.skipped += self.hurried
        return time.monotonic() + self.skipped

    def use(self, **steps: Any) -> None:
        """Replaces steps by functions of the test (`agent=...`). The other steps are the product's."""
        for name, run in steps.items():
            self.monkeypatch.setitem(STEPS, StepName(name), run)

    def step(self, step: StepName, command: str = "cmd-1", generation: int = 1, **settings: Any) -> int:
        return self.prepare(step, command, generation, **settings).run()

    @property
    def report(self) -> tuple[str, dict[str, Any]]:
        """Returns the last report: its kind, and the payload with parsed JSON."""
        kind, values = self.clients.sfn.reports[-1]
        parsed: dict[str, Any] = dict(values)
        for name in ("output", "cause"):
            if name in parsed:
                parsed[name] = json.loads(parsed[name])
        return kind, parsed

    def remote(self, *argv: str) -> str:
        return git(self.bare, *argv)

    def events(self, message: str) -> list[dict[str, Any]]:
        return [e for e in map(json.loads, self.log.getvalue().splitlines()) if e["message"] == message]

    def checkpoints(self) -> list[str]:
        found = self.clients.s3.list_objects_v2(Bucket="artifacts", Prefix="amelia/sessions/s1/checkpoints/")
        return [item["Key"] for item in found.get("Contents", [])]

    def claim_is_free(self) -> bool:
        return read_session(self.clients).workspace_id is None


@contextmanager
def new_world(folder: Path, monkeypatch: pytest.MonkeyPatch, **remote: Any) -> Iterator[World]:
    make_remote(folder / "host", **remote)
    with serve_git(folder / "host") as host, mock_aws():
        clients = TestClients(tables_in_memory())
        make_bucket_and_secrets(clients)
        accept(clients, "cmd-1", 1)
        yield World(folder, host, clients, monkeypatch)


def edit(files: dict[str, str | None], summary: str = "Edited") -> Step:
    """Returns a step like an agent: writes files (None deletes one), and adds a line to its transcript."""

    def run(ctx: StepContext) -> AgentResult:
        base = ctx.checkout.head()
        for name, text in files.items():
            path = ctx.paths.site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text) if text is not None else path.unlink()
        say(ctx, summary)
        changed = ctx.checkout.changed_files(base)
        return AgentResult(files_changed=changed, files_changed_count=len(changed), summary=summary)

    return run


CONVERSATION = "0b1f7c9e-2f5c-4d58-9d53-0d6a2b0f6c11"


def say(ctx: StepContext, text: str) -> None:
    transcript = ctx.paths.home / ".claude" / "projects" / "-workspace-site" / f"{CONVERSATION}.jsonl"
    transcript.parent.mkdir(parents=True, exist_ok=True)
    with transcript.open("a") as file:
        file.write(json.dumps({"text": text}) + "\n")


def slow_edit(files: dict[str, str]) -> Step:
    """Returns a step like an agent in a real child process: writes files, then works until a stop."""

    def run(ctx: StepContext) -> AgentResult:
        edit(dict(files))(ctx)
        (ctx.paths.root / "working").touch()
        ctx.children.run(
            [sys.executable, "-IS", "-c", "import time; time.sleep(60)"],
            cwd=ctx.paths.site,
            env={"PATH": os.environ["PATH"]},
            timeout=60,
        )
        raise AssertionError("the agent was not stopped")

    return run


def commit_step(message: str = "[2026-01-01] Edit") -> Step:
    def run(ctx: StepContext) -> BuildResult:
        commit = ctx.checkout.commit_all(message)
        return BuildResult(commit=ctx.checkout.head(), committed=commit is not None, build_success=True)

    return run


def in_background(action: Callable[[], int]) -> tuple[threading.Thread, list[int]]:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(action()))
    thread.start()
    return thread, codes


def wait_for(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def store(world: World, me: str = "somebody-else", generation: int = 1) -> SessionStore:
    return SessionStore(world.clients, "sessions", "commands", request(StepName.AGENT, "x", generation), me)


def interrupt(world: World, step: StepName) -> None:
    """Starts the step, accepts a newer command while it works, and waits for the step's end."""
    runner = world.prepare(step)
    thread, codes = in_background(runner.run)
    wait_for((world.root / "working").exists)
    accept(world.clients, "cmd-2", 2)
    thread.join(30)
    assert codes == [0]
    kind, report = world.report
    assert (kind, report["error"], report["cause"]["code"]) == ("failure", "Workspace.Interrupted", "interrupted")
    assert world.claim_is_free()
