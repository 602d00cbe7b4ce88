"""A site with `idleSeconds` 0: each command has its own workspace, which ends with the command."""

import threading
from typing import Any

import pytest
from workspace.build.build_cache import BuildCache
from workspace.claim.session import SessionStore
from workspace.errors import StepFailed
from workspace.step_context import StepContext

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.steps import PushResult, StepName
from tests.support.workspace.idle_workspace import Warm
from tests.support.workspace.runner_parts import accept, read_session
from tests.support.workspace.runner_world import (
    World,
    commit_step,
    edit,
    slow_edit,
    wait_for,
)

GAP = 30.0


def command(world: World) -> Warm:
    """Starts a workspace that does the steps agent and build."""
    world.use(agent=edit({"index.html": "1"}), build=commit_step())
    warm = Warm(world, idle=0.0, step_gap=GAP)
    assert warm.first()[0] == "success"
    assert warm.answer(warm.offer(StepName.BUILD).task_token)[0] == "success"
    return warm


def test_the_workspace_does_all_steps_and_ends_at_once(world: World) -> None:
    warm = command(world)
    assert warm.answer(warm.offer(StepName.PUSH).task_token)[0] == "success"
    warm.thread.join(GAP / 3)
    assert warm.codes == [0] and world.containers == 1
    assert world.claim_is_free()


def test_the_workspace_ends_after_a_failed_push(world: World) -> None:
    def refused(ctx: StepContext) -> PushResult:
        raise StepFailed(ErrorCode.PUSH_FAILED, "no")

    warm = command(world)
    world.use(push=refused)
    assert warm.answer(warm.offer(StepName.PUSH).task_token)[1]["error"] == "Step.Failed"
    warm.thread.join(GAP / 3)
    assert warm.codes == [0] and world.claim_is_free()


def test_an_offer_during_the_release_is_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, offers = SessionStore.release_idle, []

    def late(self: SessionStore) -> bool:
        if not offers:
            accept(world.clients, "cmd-2", 2)
            offers.append(warm.offer(StepName.PUSH, "cmd-2", 2))
        return real(self)

    monkeypatch.setattr(SessionStore, "release_idle", late)
    warm = command(world)
    warm.answer(warm.offer(StepName.PUSH).task_token)
    wait_for(lambda: bool(offers))
    assert warm.answer(offers[0].task_token)[0] == "success"
    warm.end()
    assert world.containers == 1 and world.claim_is_free()


def test_the_build_cache_is_saved_before_the_workspace_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    going, saved = threading.Event(), []

    def slowly(self: BuildCache, fence: Any) -> bool:
        going.wait(10)
        saved.append(read_session(world.clients).workspace_id)
        return True

    monkeypatch.setattr(BuildCache, "save", slowly)
    warm = command(world)
    warm.answer(warm.offer(StepName.PUSH).task_token)
    warm.thread.join(1.5)
    assert warm.codes == [], "it waits for the cache"
    going.set()
    warm.end()
    assert saved == ["task-1"]


def test_an_interrupted_command_is_pushed_before_the_workspace_ends(world: World) -> None:
    world.use(agent=slow_edit({"index.html": "half"}))
    warm = Warm(world, idle=0.0, step_gap=GAP)
    wait_for((world.root / "working").exists)
    accept(world.clients, "cmd-2", 2)
    warm.end()
    assert world.remote("show", "thread-t1:index.html") == "half"
    assert world.claim_is_free()
