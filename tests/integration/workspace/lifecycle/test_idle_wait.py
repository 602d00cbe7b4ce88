"""A warm workspace: steps through the mailbox, interrupts, and steps taken over from other workspaces."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from workspace.build.build_cache import cache_key
from workspace.claim.session import SessionStore
from workspace.errors import StepFailed
from workspace.step_context import StepContext
from workspace.system.child_environment import build_environment

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.steps import AgentResult, BuildResult, PushResult, StepName
from sitewright.retry import Backoff
from sitewright.tables.sessions import Sessions
from sitewright.tables.table import Table
from tests.support.workspace.git_host import TOKEN
from tests.support.workspace.idle_workspace import Warm
from tests.support.workspace.runner_parts import accept, git, put_secret, read_command, read_session
from tests.support.workspace.runner_world import (
    World,
    commit_step,
    edit,
    slow_edit,
    wait_for,
)


def test_the_next_step_comes_through_the_mailbox_without_a_restore(world: World) -> None:
    world.use(agent=edit({"index.html": "1"}), build=commit_step())
    warm = Warm(world)
    assert warm.first()[0] == "success"
    build = warm.offer(StepName.BUILD)
    assert warm.answer(build.task_token)[0] == "success"
    assert ("heartbeat", {"taskToken": build.task_token}) in world.clients.sfn.calls
    warm.end_idle()
    assert [event["warm"] for event in warm.events("workspace ready")] == [False, True]
    assert world.claim_is_free() and read_session(world.clients).mailbox is None


def test_the_next_command_finds_the_checkout_as_it_was(world: World) -> None:
    world.use(agent=edit({"index.html": "1"}), build=commit_step())
    warm = Warm(world)
    warm.first()
    warm.answer(warm.offer(StepName.BUILD).task_token)
    push = warm.offer(StepName.PUSH)
    assert warm.answer(push.task_token)[0] == "success"
    accept(world.clients, "cmd-2", 2)
    seen: list[str] = []
    world.use(agent=lambda ctx: seen.append((ctx.paths.site / "index.html").read_text()) or AgentResult())
    agent = warm.offer(StepName.AGENT, "cmd-2", 2)
    assert warm.answer(agent.task_token)[0] == "success"
    warm.end_idle()
    assert seen == ["1"]
    assert read_command(world.clients, "cmd-1").interruption is None, "it was done"


def _idle(world: World) -> Warm:
    """Brings a workspace to the end of a command, where it waits for the next one."""
    world.use(agent=edit({"index.html": "1"}), build=commit_step())
    warm = Warm(world, idle=600.0)
    warm.first()
    warm.answer(warm.offer(StepName.BUILD).task_token)
    warm.answer(warm.offer(StepName.PUSH).task_token)
    wait_for(lambda: read_session(world.clients).idle_since is not None)
    return warm


def _ask_to_leave(world: World) -> None:
    session = read_session(world.clients)
    sessions = Sessions(Table(world.clients.dynamodb, "sessions", Backoff(1, 1, 1)))
    assert session.workspace_id and sessions.ask_to_leave(session, session.workspace_id, 1)


def test_an_idle_workspace_leaves_when_it_is_asked_to(world: World) -> None:
    warm = _idle(world)
    _ask_to_leave(world)
    warm.end()
    assert world.claim_is_free()
    session = read_session(world.clients)
    assert (session.idle_since, session.leave_asked_at) == (None, None)


def test_a_workspace_that_gets_a_step_before_it_leaves_does_the_step(world: World) -> None:
    warm = _idle(world)
    accept(world.clients, "cmd-2", 2)
    session = read_session(world.clients)
    sessions = Sessions(Table(world.clients.dynamodb, "sessions", Backoff(1, 1, 1)))
    assert session.workspace_id
    assert not sessions.ask_to_leave(session, session.workspace_id, 1), "a newer command is on its way"
    agent = warm.offer(StepName.AGENT, "cmd-2", 2)
    assert warm.answer(agent.task_token)[0] == "success"
    warm.end_idle()


def test_each_step_has_a_tmpdir_of_its_own(world: World) -> None:
    seen: list[list[str]] = []

    def leave(ctx: StepContext) -> AgentResult:
        env = build_environment(ctx.paths, inherited=ctx.settings.inherited)
        script = 'ls "$TMPDIR"; mkdir -p "$TMPDIR/deep"; date > "$TMPDIR/deep/left"; chmod 0 "$TMPDIR/deep"'
        ctx.children.run(["sh", "-c", script], cwd=ctx.paths.site, env=env, timeout=10, on_line=left.append)
        seen.append(list(left))
        return AgentResult()

    left: list[str] = []
    world.use(agent=leave)
    warm = Warm(world)
    warm.first()
    accept(world.clients, "cmd-2", 2)
    warm.answer(warm.offer(StepName.AGENT, "cmd-2", 2).task_token)
    warm.end_idle()
    assert seen == [[], []]


def test_an_interrupted_workspace_does_the_next_command_while_the_wip_commit_is_pushed(world: World) -> None:
    world.use(agent=slow_edit({"index.html": "half"}))
    warm = Warm(world)
    wait_for((world.root / "working").exists)
    seen: list[Any] = []

    def successor(ctx: StepContext) -> AgentResult:
        saved = read_command(world.clients, "cmd-1").interruption
        seen.extend([ctx.checkout.is_dirty(), saved is not None and saved.commit == ctx.checkout.head()])
        return AgentResult()

    world.use(agent=successor)
    accept(world.clients, "cmd-2", 2)
    agent = warm.offer(StepName.AGENT, "cmd-2", 2)
    assert warm.answer(agent.task_token)[0] == "success"
    assert warm.first()[1]["error"] == "Workspace.Interrupted"
    warm.end_idle()
    assert seen == [False, True]
    saved = read_command(world.clients, "cmd-1").interruption
    assert saved is not None and saved.pushed and not saved.pushing
    assert world.remote("rev-parse", "thread-t1") == saved.commit


def test_a_newer_command_between_two_steps_saves_the_older_commands_edits(world: World) -> None:
    world.use(agent=edit({"index.html": "1"}))
    warm = Warm(world)
    warm.first()
    accept(world.clients, "cmd-2", 2)
    wait_for(lambda: (saved := read_command(world.clients, "cmd-1").interruption) is not None and not saved.pushing)
    warm.end_idle()
    saved = read_command(world.clients, "cmd-1").interruption
    assert saved is not None and saved.pushed and world.remote("rev-parse", "thread-t1") == saved.commit


def test_a_step_of_an_older_command_in_the_mailbox_is_refused(world: World) -> None:
    world.use(agent=edit({"index.html": "1"}))
    warm = Warm(world)
    warm.first()
    accept(world.clients, "cmd-2", 2)
    late = warm.offer(StepName.BUILD)
    assert warm.answer(late.task_token)[1]["error"] == "Workspace.Interrupted"
    warm.end_idle()
    assert read_session(world.clients).mailbox is None


def test_a_cold_workspace_offers_its_step_to_the_warm_workspace(world: World) -> None:
    world.use(agent=edit({"index.html": "1"}), build=commit_step())
    warm = Warm(world)
    warm.first()
    assert world.prepare(StepName.BUILD, idle_seconds=3).run() == 0
    # It ends because the other workspace took the step, or answered its token already.
    assert warm.answer("task-token-of-build-cmd-1")[0] == "success"
    warm.end_idle()


def test_a_workspace_whose_token_is_gone_does_not_claim(world: World) -> None:
    world.clients.sfn.gone = True
    world.use(agent=edit({"index.html": "1"}))
    assert world.step(StepName.AGENT, idle_seconds=2) == 0
    assert world.claim_is_free() and read_session(world.clients).checkpoint is None
    assert not world.events("workspace ready")


def test_a_claim_whose_answer_was_lost_is_given_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = SessionStore.claim

    def lost(self: SessionStore) -> Any:
        real(self)
        raise EndpointConnectionError(endpoint_url="http://dynamodb")

    monkeypatch.setattr(SessionStore, "claim", lost)
    assert world.step(StepName.AGENT, idle_seconds=2) == 0
    assert world.claim_is_free()


def test_the_build_cache_is_saved_while_the_workspace_is_idle(world: World) -> None:
    saved: list[str] = []

    def cached(ctx: StepContext) -> BuildResult:
        path = ctx.paths.site / "node_modules/.astro/assets/a.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a")
        return BuildResult(commit=ctx.checkout.head(), build_success=True)

    def push(ctx: StepContext) -> PushResult:
        saved.extend(event["key"] for event in world.events("build cache saved"))
        return PushResult(commit=ctx.checkout.head(), pushed=True)

    world.use(agent=edit({"index.html": "1"}), build=cached, push=push)
    warm = Warm(world)
    warm.first()
    for step in (StepName.BUILD, StepName.PUSH):
        assert warm.answer(warm.offer(step).task_token)[0] == "success"
    wait_for(lambda: bool(world.events("build cache saved")))
    assert saved == [], "not while the command's answer is waited for"
    warm.end_idle()
    assert world.clients.s3.head_object(Bucket="artifacts", Key=cache_key("amelia", "s1"))["ContentLength"] > 0


def test_a_failed_step_is_salvaged_in_the_same_workspace(world: World) -> None:
    def fails(ctx: StepContext) -> AgentResult:
        edit({"index.html": "half"})(ctx)
        raise StepFailed(ErrorCode.AGENT_FAILED, "no")

    world.use(agent=fails)
    warm = Warm(world)
    assert warm.first()[1]["error"] == "Step.Failed"
    salvage = warm.offer(StepName.SALVAGE)
    assert warm.answer(salvage.task_token)[0] == "success"
    warm.end_idle()
    assert world.remote("show", "thread-t1:index.html") == "half"
    assert [event["warm"] for event in warm.events("workspace ready")] == [False, True]


@pytest.mark.parametrize("anew", [False, True])
def test_a_checkout_the_agent_destroyed_is_restored_for_the_next_step(world: World, anew: bool) -> None:
    import shutil

    world.use(agent=edit({"index.html": "1"}), build=commit_step())
    warm = Warm(world)
    warm.first()
    git(world.root.parent, "init", "-q")  # the local stack's folders are inside the user's own clone of this project
    site = world.root / "site"
    shutil.rmtree(site / ".git")
    if anew:
        git(site, "init", "-q")
        git(site, "add", "-A")
        git(site, "commit", "-qm", "Theirs")
    build = warm.offer(StepName.BUILD)
    assert warm.answer(build.task_token)[0] == "success"
    warm.end_idle()
    assert warm.events("the checkout is broken, restoring it")
    assert (site / "index.html").read_text() == "1"
    assert git(site, "log", "--format=%s").splitlines() == ["[2026-01-01] Edit", "Second", "First"]


def test_a_token_that_an_operator_corrected_is_used_by_the_next_step(world: World) -> None:
    world.use(agent=edit({"index.html": "1"}), build=commit_step())
    warm = Warm(world)
    warm.first()
    warm.answer(warm.offer(StepName.BUILD).task_token)
    put_secret(world.clients, "git-token", "ghp_" + "expired!" * 4)
    kind, refused = warm.answer(warm.offer(StepName.PUSH).task_token)
    assert (kind, "git_auth_failed" in refused["cause"]) == ("failure", True)
    put_secret(world.clients, "git-token", TOKEN)
    assert warm.answer(warm.offer(StepName.SALVAGE).task_token)[0] == "success"
    warm.end_idle()
