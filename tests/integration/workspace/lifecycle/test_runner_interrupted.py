"""Interrupts at every moment of a step lose neither results nor edits."""

import threading
from typing import Any

import pytest
from workspace.claim.session import SessionStore
from workspace.errors import Fenced, StepStopped
from workspace.step_context import StepContext
from workspace.steps import build_step

from sitewright.contracts.steps import AgentResult, BuildResult, StepName
from tests.support.workspace.runner_parts import accept, read_command
from tests.support.workspace.runner_world import (
    World,
    commit_step,
    edit,
    in_background,
    interrupt,
    say,
    slow_edit,
    store,
    wait_for,
)

WIP = "WIP: Interrupted by new message\n\nSession-Id: s1\nCommand-Id: cmd-1"


def test_an_interrupted_agent_leaves_a_pushed_wip_commit(world: World) -> None:
    world.use(agent=slow_edit({"index.html": "half", "new.html": "n"}))
    interrupt(world, StepName.AGENT)
    commit = world.remote("rev-parse", "thread-t1")
    assert world.remote("log", "-1", "--format=%B", "thread-t1") == WIP
    saved = read_command(world.clients, "cmd-1").interruption
    assert saved is not None
    assert (saved.commit, saved.pushed, saved.step) == (commit, True, StepName.AGENT)
    assert saved.files_changed == ["index.html", "new.html"]
    seen: list[Any] = []

    def successor(ctx: StepContext) -> AgentResult:
        seen.extend([ctx.checkout.head(), ctx.checkout.is_dirty(), ctx.session.conversation_id is not None])
        return AgentResult()

    world.use(agent=successor)
    assert world.step(StepName.AGENT, "cmd-2", 2) == 0
    assert seen == [commit, False, True]


def test_the_answer_that_waits_is_told_once_the_work_is_saved_and_pushed(world: World) -> None:
    world.clients.dynamodb.update_item(
        TableName="commands",
        Key={"clientSession": {"S": "amelia#s1"}, "commandId": {"S": "cmd-1"}},
        UpdateExpression="SET answerToken = :token",
        ExpressionAttributeValues={":token": {"S": "answer-token"}},
    )
    world.use(agent=slow_edit({"index.html": "half"}))
    thread, codes = in_background(world.prepare(StepName.AGENT).run)
    wait_for((world.root / "working").exists)
    accept(world.clients, "cmd-2", 2)
    thread.join(30)
    assert codes == [0]
    told = [call for call in world.clients.sfn.reports if call[1]["taskToken"] == "answer-token"]
    assert told == [("success", {"taskToken": "answer-token", "output": "{}"})]
    saved = read_command(world.clients, "cmd-1").interruption
    assert saved is not None and saved.pushed


def test_an_interrupted_repair_leaves_a_pushed_wip_commit_with_both_edits(world: World) -> None:
    world.use(agent=edit({"index.html": "broken"}), build=commit_step(), repair=slow_edit({"new.html": "half"}))
    world.step(StepName.AGENT)
    world.step(StepName.BUILD)
    interrupt(world, StepName.REPAIR)
    assert world.remote("log", "-1", "--format=%B", "thread-t1") == WIP
    saved = read_command(world.clients, "cmd-1").interruption
    assert saved is not None and (saved.pushed, saved.step, saved.published) == (True, StepName.REPAIR, 0)
    assert saved.files_changed == ["index.html", "new.html"]


def test_an_interrupted_build_publishes_what_it_completed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fences: list[Any] = []

    def publish_partial(ctx: StepContext) -> int:
        ctx.fence.check_stop()
        ctx.fence.verify()
        fences.append(ctx.children.run(["true"], cwd=ctx.paths.site, env={"PATH": "/usr/bin:/bin"}, timeout=5))
        return 7

    monkeypatch.setattr(build_step, "publish_partial", publish_partial)

    def slow_build(ctx: StepContext) -> BuildResult:
        ctx.checkout.commit_all("[2026-01-01] Edit")
        slow_edit({})(ctx)
        raise AssertionError

    world.use(agent=edit({"index.html": "1"}), build=slow_build)
    world.step(StepName.AGENT)
    interrupt(world, StepName.BUILD)
    saved = read_command(world.clients, "cmd-1").interruption
    assert saved is not None and saved.published == 7 and saved.pushed
    assert saved.files_changed == ["index.html"]
    assert saved.commit == world.remote("rev-parse", "thread-t1")
    assert world.remote("log", "-1", "--format=%s", "thread-t1") == "[2026-01-01] Edit"
    assert len(fences) == 1


def test_an_interrupted_push_ends_soon_and_keeps_everything(world: World) -> None:
    world.use(agent=edit({"index.html": "1"}), build=commit_step())
    world.step(StepName.AGENT)
    world.step(StepName.BUILD)
    world.host.answer = 503
    thread, codes = in_background(world.prepare(StepName.PUSH).run)
    wait_for(lambda: bool(world.events("the git host is out of reach, trying again")))
    accept(world.clients, "cmd-2", 2)
    thread.join(20)
    assert codes == [0]
    saved = read_command(world.clients, "cmd-1").interruption
    assert saved is not None and saved.pushed is False and saved.files_changed == ["index.html"]
    assert world.report[1]["error"] == "Workspace.Interrupted"
    world.host.answer = None
    assert world.step(StepName.SALVAGE, "cmd-2", 2) == 0
    assert world.remote("rev-parse", "thread-t1") == saved.commit


@pytest.mark.parametrize("moment", ["before the checkpoint", "before the record", "before the report"])
def test_an_interrupt_at_the_very_end_loses_neither_result_nor_edits(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    from workspace.repository.checkpoints.checkpoint import Checkpointer

    target, name = {
        "before the checkpoint": (Checkpointer, "write"),
        "before the record": (SessionStore, "record"),
        "before the report": (SessionStore, "is_current"),
    }[moment]
    real = getattr(target, name)
    done: list[bool] = []

    def late(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not done:
            done.append(True)
            accept(world.clients, "cmd-2", 2)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(target, name, late)
    world.use(agent=edit({"index.html": "1"}, "Done"))
    assert world.step(StepName.AGENT) == 0
    command = read_command(world.clients, "cmd-1")
    assert command.agent is not None and command.agent.summary == "Done"
    assert command.interruption is not None and command.interruption.pushed
    assert world.remote("log", "-1", "--format=%B", "thread-t1") == WIP
    assert world.report[1]["error"] == "Workspace.Interrupted"
    assert world.claim_is_free()


def test_an_interrupt_after_the_release_is_left_to_the_next_workspace(world: World) -> None:
    world.use(agent=edit({"index.html": "1"}))
    world.step(StepName.AGENT)
    accept(world.clients, "cmd-2", 2)
    world.use(agent=edit({"more.html": "2"}))
    world.step(StepName.AGENT, "cmd-2", 2)
    assert world.remote("log", "-1", "--format=%B", "thread-t1") == WIP


def test_a_run_superseded_before_its_start_changes_nothing(world: World) -> None:
    accept(world.clients, "cmd-2", 2)
    world.use(agent=edit({"index.html": "1"}))
    assert world.step(StepName.AGENT) == 0
    assert world.report[1]["error"] == "Workspace.Interrupted"
    assert world.host.seen == [] and world.claim_is_free()
    assert read_command(world.clients, "cmd-1").interruption is not None


def test_waiting_ends_when_a_newer_command_is_accepted(world: World) -> None:
    store(world).claim()
    threading.Timer(0.5, accept, (world.clients, "cmd-2", 2)).start()
    assert world.step(StepName.AGENT) == 0
    assert world.report[1]["error"] == "Workspace.Interrupted"


def test_a_token_that_is_gone_because_of_a_newer_command_is_an_interrupt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workspace.claim.claim_refresher import ClaimRefresher

    real = ClaimRefresher.beat
    # The refresher is too slow to see the generation before the token is gone.
    monkeypatch.setattr(ClaimRefresher, "beat", lambda self: real(self) if self._idle else True)
    world.use(agent=slow_edit({"index.html": "half"}))
    thread, codes = in_background(world.prepare(StepName.AGENT).run)
    wait_for((world.root / "working").exists)
    accept(world.clients, "cmd-2", 2)
    world.clients.sfn.gone = True
    thread.join(20)
    assert codes == [0]
    saved = read_command(world.clients, "cmd-1").interruption
    assert saved is not None and saved.pushed
    assert world.remote("log", "-1", "--format=%B", "thread-t1") == WIP


def test_a_step_that_is_fenced_off_by_a_newer_command_is_interrupted(world: World) -> None:
    def slowly(ctx: StepContext) -> AgentResult:
        edit({"index.html": "1"})(ctx)
        accept(world.clients, "cmd-2", 2)
        with pytest.raises((Fenced, StepStopped)):
            ctx.fence.verify()
        say(ctx, "late")
        ctx.fence.check_stop()
        raise AssertionError

    world.use(agent=slowly)
    assert world.step(StepName.AGENT) == 0
    assert world.report[1]["error"] == "Workspace.Interrupted"
    assert world.remote("log", "-1", "--format=%B", "thread-t1") == WIP
