"""The ends of a warm workspace: idle time, SIGTERM, a lost claim, an unexpected error."""

import threading
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from workspace.claim.claim_refresher import ClaimRefresher
from workspace.claim.fence import ClaimFence
from workspace.claim.session import SessionStore
from workspace.errors import StopReason
from workspace.step_context import StepContext
from workspace.system.stop import Stop

from sitewright.contracts.steps import AgentResult, StepName, StepRequest
from tests.support.workspace.idle_workspace import Warm
from tests.support.workspace.runner_parts import read_session
from tests.support.workspace.runner_parts import request as core_request
from tests.support.workspace.runner_world import (
    World,
    commit_step,
    edit,
    slow_edit,
    wait_for,
)


def test_an_offer_that_races_the_idle_end_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.use(agent=edit({"index.html": "1"}), build=commit_step())
    real, offers = SessionStore.release_idle, []

    def late(self: SessionStore) -> bool:
        if not offers:
            offers.append(warm.offer(StepName.BUILD))
        return real(self)

    monkeypatch.setattr(SessionStore, "release_idle", late)
    warm = Warm(world, idle=0.3)
    warm.end()
    assert warm.answer(offers[0].task_token)[0] == "success"


def test_a_repeated_offer_of_a_taken_step_does_not_keep_the_workspace_alive(world: World) -> None:
    world.use(agent=edit({"index.html": "1"}), build=commit_step())
    warm = Warm(world)
    warm.first()
    build = warm.offer(StepName.BUILD)
    warm.answer(build.task_token)
    item = {k: {"N": str(v)} if isinstance(v, int) else {"S": str(v)} for k, v in build.to_item().items()}
    world.clients.dynamodb.update_item(
        TableName="sessions",
        Key={"clientSession": {"S": "amelia#s1"}},
        UpdateExpression="SET mailbox = :mail",
        ExpressionAttributeValues={":mail": {"M": item}},
    )
    warm.end_idle()
    assert len(warm.answers(build.task_token)) == 1


def test_sigterm_while_idle_ends_the_workspace_and_reports_the_offer_as_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.use(agent=edit({"index.html": "1"}))
    warm = Warm(world, idle=60)
    warm.first()
    wait_for(lambda: read_session(world.clients).serving is None)
    real, offers = SessionStore.abandon, []

    def late(self: SessionStore) -> StepRequest | None:
        offers.append(warm.offer(StepName.BUILD))
        return real(self)

    monkeypatch.setattr(SessionStore, "abandon", late)
    warm.runner.signals._note(15, None)
    warm.end()
    assert warm.answer(offers[0].task_token)[1]["error"] == "Workspace.Stopped"
    assert world.claim_is_free()


def test_sigterm_while_working_checkpoints_and_reports_stopped(world: World) -> None:
    world.use(agent=slow_edit({"index.html": "half"}))
    warm = Warm(world, idle=60)
    wait_for((world.root / "working").exists)
    warm.runner.signals._note(15, None)
    warm.end()
    assert warm.first()[1]["error"] == "Workspace.Stopped"
    assert world.claim_is_free() and read_session(world.clients).checkpoint is not None


def test_sigterm_before_the_step_began_reports_the_offer_as_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workspace.lifecycle.working_copy import WorkingCopy

    offers: list[StepRequest] = []

    def late(self: WorkingCopy, *_: Any) -> None:
        offers.append(warm.offer(StepName.BUILD))
        warm.runner.signals._note(15, None)
        warm.runner.stop.check()

    monkeypatch.setattr(WorkingCopy, "restore", late)
    warm = Warm(world, idle=60)
    warm.end()
    assert warm.answer(offers[0].task_token)[1]["error"] == "Workspace.Stopped"
    assert world.claim_is_free() and read_session(world.clients).mailbox is None


def test_a_claim_that_is_lost_while_idle_ends_the_workspace(world: World) -> None:
    world.use(agent=edit({"index.html": "1"}))
    warm = Warm(world, idle=60)
    warm.first()
    world.clients.dynamodb.update_item(
        TableName="sessions",
        Key={"clientSession": {"S": "amelia#s1"}},
        UpdateExpression="SET workspaceId = :other",
        ExpressionAttributeValues={":other": {"S": "other"}},
    )
    warm.end(3)
    assert read_session(world.clients).workspace_id == "other"


def test_a_crashed_refresher_is_a_lost_claim_for_later_steps_too(world: World) -> None:
    store = SessionStore(world.clients, "sessions", "commands", core_request(StepName.AGENT), "me")
    store.claim()

    def broken(_: Any) -> None:
        raise RuntimeError("no thread")

    refresher, later = ClaimRefresher(store, Stop(), lambda *_, **__: None, seen=broken), Stop()
    assert not refresher.beat()
    refresher.follow(store, later, lambda *_, **__: None, idle=True)
    assert later.reason is StopReason.CLAIM_LOST
    with pytest.raises(Exception, match="claim_lost"):
        ClaimFence(store, Stop()).after_stop().check_stop()


def test_a_bug_ends_the_workspace(world: World) -> None:
    def broken(ctx: StepContext) -> AgentResult:
        raise ZeroDivisionError("a bug")

    world.use(agent=broken)
    warm = Warm(world, idle=60)
    assert warm.first()[1]["error"] == "Step.Failed"
    warm.end()
    assert world.claim_is_free()


def test_a_background_push_ends_with_the_claim(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from workspace.repository.background_push import BackgroundPush

    cancelled = threading.Event()
    real = BackgroundPush.cancel

    def cancel(self: BackgroundPush) -> None:
        if read_session(world.clients).workspace_id is not None:
            cancelled.set()
        real(self)

    monkeypatch.setattr(BackgroundPush, "cancel", cancel)
    world.use(agent=slow_edit({"index.html": "half"}))
    warm = Warm(world, idle=60)
    wait_for((world.root / "working").exists)
    warm.runner.signals._note(15, None)
    warm.end()
    assert cancelled.is_set(), "before the claim was given back"


def test_a_done_step_whose_result_cannot_be_recorded_is_left_to_task_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any, **__: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://dynamodb")

    monkeypatch.setattr(SessionStore, "record", down)
    world.use(agent=edit({"index.html": "1"}))
    assert world.step(StepName.AGENT, idle_seconds=8) == 1
    assert world.clients.sfn.reports == []
    serving = read_session(world.clients).serving
    assert serving is not None and serving.step is StepName.AGENT
