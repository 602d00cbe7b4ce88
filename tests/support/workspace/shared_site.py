"""The sessions of one site, each in workspaces of its own, with a real git host and a bucket.

The packages and the build are left out: a site's output is its pages.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from workspace.repository.newer_work import taking_in
from workspace.step_context import StepContext
from workspace.steps import build_step

from sitewright.contracts.names import manifest_key
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import AgentResult, BuildResult, StepName
from sitewright.publishing.manifest import Manifest
from tests.support.publishing.site_world import BUCKET
from tests.support.workspace.runner_parts import accept, read_command
from tests.support.workspace.runner_world import World, edit


@dataclass
class SharedSite:
    """The sessions of one site. Each command has the next generation of its session."""

    world: World
    monkeypatch: pytest.MonkeyPatch
    during_build: Callable[[], None] = lambda: None
    commands: int = 0

    def run(self, session: str, files: dict[str, str | None], *steps: StepName, **settings: Any) -> CommandRecord:
        """Runs a command: an edit of files (none: a question), then the steps, each in a new workspace."""
        self.commands += 1
        name, generation = f"c{self.commands}", self.commands
        accept(self.world.clients, name, generation, session)
        self.world.use(agent=edit(files) if files else ask)
        for step in (StepName.AGENT, StepName.BUILD, *steps):
            assert self.world.step(step, name, generation, session=session, **settings) == 0
        return read_command(self.world.clients, name, session)

    def manifest(self) -> Manifest:
        body = self.world.clients.s3.get_object(Bucket="artifacts", Key=manifest_key("amelia"))["Body"].read()
        return Manifest.from_bytes(body)

    def live(self) -> dict[str, str]:
        """Returns the live pages by the key that has their suffix. Each has a second one without."""
        s3 = self.world.clients.s3
        found = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
        keys = [key for key in found if key.endswith(".html")]
        return {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode() for key in keys}


def ask(ctx: StepContext) -> AgentResult:
    return AgentResult(summary="From nine to five.")


def built(command: CommandRecord) -> BuildResult:
    assert command.build is not None
    return command.build


def shared_site(world: World, monkeypatch: pytest.MonkeyPatch) -> SharedSite:
    """Returns a site whose builds copy its pages."""
    made = SharedSite(world, monkeypatch)
    world.clients.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})

    def copy(self: Any, commit: str) -> str:
        folder, dist = self.ctx.paths.site, self.ctx.paths.site / "dist"
        shutil.rmtree(dist, ignore_errors=True)
        dist.mkdir()
        for page in folder.glob("*.html"):
            shutil.copy(page, dist / page.name)
        made.during_build()
        return "dist"

    monkeypatch.setattr(build_step._Build, "_build", copy)
    monkeypatch.setattr(taking_in, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(taking_in, "PATIENCE_SECONDS", 0.05)
    return made
