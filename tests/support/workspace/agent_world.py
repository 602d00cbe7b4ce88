"""A step `agent` alone: a checkout, a model on loopback, and the recorded costs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from workspace.errors import StepFailed
from workspace.step_context import StepContext
from workspace.steps import agent_step
from workspace.system.children import ProcessChildren
from workspace.system.stop import Stop

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.records import CommandRecord, SessionRecord
from sitewright.contracts.steps import AgentResult, StepName
from tests.support.workspace.fake_model import FakeModel, Reply, Script, fake_model, text, tool
from tests.support.workspace.runner_parts import git, make_checkout, make_settings, request

INSTRUCTION = "Put a banner on the home page"


class Notes:
    """The commands table. Records the written costs in order."""

    def __init__(self) -> None:
        self.spent: list[float] = []

    def update_item(self, ExpressionAttributeValues: Any, **_: Any) -> None:
        self.spent.append(float(ExpressionAttributeValues[":spent"]["N"]))


class Aws:
    def __init__(self) -> None:
        self.dynamodb: Any = Notes()

    def secret(self, _: str) -> str:
        return "sk-test-model-key"


@dataclass
class OpenFence:
    session: SessionRecord

    def verify(self, *, allow_superseded: bool = False) -> SessionRecord:
        return self.session

    def check_stop(self) -> None:
        pass


@dataclass
class World:
    ctx: StepContext
    stop: Stop
    progress: list[str]
    logs: list[str]

    @property
    def noted(self) -> list[float]:
        """Returns the command's costs in US dollars that were written to its item."""
        aws: Any = self.ctx.aws
        spent: list[float] = aws.dynamodb.spent
        return spent


def make_world(root: Path, model: FakeModel | None, *, url: str = "", **settings: Any) -> World:
    site = root / "site"
    site.mkdir(parents=True)
    (root / "home").mkdir()
    git(site, "init", "-q", "-b", "thread-t1")
    (site / "index.html").write_text("<h1>Home</h1>\n")
    git(site, "add", "-A")
    git(site, "commit", "-qm", "First")
    session = SessionRecord(session_id="s1", client_id="amelia", chat_thread_id="t1")
    config = make_settings(
        root, str(root), model_base_url=model.url if model else url, model="claude-sonnet-4-5", **settings
    )
    stop, progress, logs = Stop(), list[str](), list[str]()

    def log(message: str, **values: Any) -> None:
        logs.append(f"{message} {values}")

    ctx = StepContext(
        settings=config,
        request=request(StepName.AGENT),
        command=CommandRecord(session_id="s1", command_id="cmd-1", accepted_at=1, instruction=INSTRUCTION),
        session=session,
        paths=config.paths,
        checkout=make_checkout(root, str(root)),
        children=ProcessChildren(stop, log),
        fence=OpenFence(session),
        aws=Aws(),  # type: ignore[arg-type]
        log=log,
        progress=progress.append,
        base=git(site, "rev-parse", "HEAD"),
    )
    return World(ctx, stop, progress, logs)


@contextmanager
def world(root: Path, script: Script, **settings: Any) -> Iterator[tuple[World, FakeModel]]:
    with fake_model(script) as model:
        yield make_world(root, model, **settings), model


def editing(root: Path) -> Script:
    def script(body: dict[str, Any], _: int) -> Reply:
        if any(isinstance(m["content"], list) and "tool_result" in str(m["content"]) for m in body["messages"][-2:]):
            return text("Added a banner.")
        return tool("Write", {"file_path": str(root / "site" / "banner.html"), "content": "<b>Hi</b>\n"})

    return script


def with_session(ctx: StepContext, result: AgentResult) -> StepContext:
    return replace(ctx, session=ctx.session.model_copy(update={"conversation_id": result.conversation_id}))


def failed(w: World) -> ErrorCode:
    with pytest.raises(StepFailed) as caught:
        agent_step.run(w.ctx)
    return caught.value.error.code
