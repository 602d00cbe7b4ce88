"""A stop and an interrupt are obeyed in time while pipes lie where the runner reads files."""

import os
import sys
import time
from pathlib import Path

import pytest
from workspace.errors import StopReason
from workspace.step_context import StepContext
from workspace.steps import build_step
from workspace.system.stop import Stop

from sitewright.contracts.steps import AgentResult, StepName
from tests.support.workspace.runner_parts import accept, git, read_command, read_session
from tests.support.workspace.runner_world import World, edit, in_background, wait_for

SECONDS = 20.0
"""ECS sends SIGKILL 120 s after SIGTERM (`stopTimeout`). An unloaded machine takes two."""

PACKAGE = '{"name": "x", "scripts": {"build": "mkdir -p dist && cp index.html dist"}}'


def plant(site: Path) -> None:
    """Replaces files that git, the checkpoint and the build read by pipes that nobody writes to. git sees no change."""
    for name in ("package.json", "package-lock.json", ".npmrc"):
        (site / name).write_text(PACKAGE)
    git(site, "add", "-f", "package.json", "package-lock.json", ".npmrc")
    git(site, "commit", "-qm", "Packages")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        git(site, "update-index", "--skip-worktree", name)
        (site / name).unlink()
        os.mkfifo(site / name)


def planting(ctx: StepContext) -> AgentResult:
    """An agent that plants the pipes, and works until it is stopped."""
    plant(ctx.paths.site)
    edit({"index.html": "half"})(ctx)
    (ctx.paths.root / "working").touch()
    ctx.children.run(
        [sys.executable, "-IS", "-c", "import time; time.sleep(60)"],
        cwd=ctx.paths.site,
        env={"PATH": os.environ["PATH"]},
        timeout=60,
    )
    raise AssertionError("the agent was not stopped")


def test_a_polite_stop_saves_the_edit_in_time(world: World) -> None:
    world.use(agent=planting)
    stop = Stop()
    thread, codes = in_background(world.prepare(StepName.AGENT, stop=stop).run)
    wait_for((world.root / "working").exists)
    began = time.monotonic()
    stop.add(StopReason.TERMINATED)
    thread.join(SECONDS)
    assert codes == [0], "SIGTERM is not obeyed"
    assert time.monotonic() - began < SECONDS
    assert world.report[1]["error"] == "Workspace.Stopped" and world.claim_is_free()
    assert read_session(world.clients).checkpoint is not None


def test_an_interrupt_commits_and_pushes_the_edit_in_time(world: World) -> None:
    world.use(agent=planting)
    thread, codes = in_background(world.prepare(StepName.AGENT).run)
    wait_for((world.root / "working").exists)
    accept(world.clients, "cmd-2", 2)
    thread.join(SECONDS)
    assert codes == [0], "the interrupt is not obeyed"
    assert world.report[1]["error"] == "Workspace.Interrupted"
    saved = read_command(world.clients, "cmd-1").interruption
    assert saved is not None and saved.pushed
    assert world.remote("show", "thread-t1:index.html") == "half"


@pytest.mark.parametrize("reason", [StopReason.TERMINATED, StopReason.INTERRUPT])
def test_the_build_that_reads_the_pipes_obeys_too(world: World, reason: StopReason) -> None:
    def plants(ctx: StepContext) -> AgentResult:
        plant(ctx.paths.site)
        return edit({"index.html": "new"})(ctx)

    build = build_step.run

    def stopped_build(ctx: StepContext) -> object:
        # The stop comes when the build has begun.
        plant_again(ctx.paths.site)
        stop.add(reason)
        return build(ctx)

    def plant_again(site: Path) -> None:
        # A checkpoint holds no pipe, so this workspace has the files again.
        for name in ("package.json", "package-lock.json", ".npmrc"):
            git(site, "update-index", "--skip-worktree", name)
            (site / name).unlink(missing_ok=True)
            os.mkfifo(site / name)

    stop = Stop()
    world.use(agent=plants, build=stopped_build)
    assert world.step(StepName.AGENT) == 0
    thread, codes = in_background(world.prepare(StepName.BUILD, stop=stop).run)
    thread.join(SECONDS)
    assert codes == [0], "the stop is not obeyed"
    # The refused package.json ends the build at once, so its result may come before the stop is seen.
    kind, report = world.report
    ended = report["output"]["error"]["code"] if kind == "success" else report["error"]
    assert ended in {"build_failed", "Workspace.Stopped", "Workspace.Interrupted"}
    assert world.claim_is_free()
