"""One step from claim to report: results, termination, lost claims, unexpected errors."""

import threading
from typing import Any

import pytest
from workspace.claim.session import SessionStore
from workspace.errors import StopReason
from workspace.lifecycle.step_report import MAX_LIST_BYTES, for_console, for_record
from workspace.repository.checkout import Checkout
from workspace.step_context import StepContext
from workspace.system.stop import Stop

from sitewright.contracts.result_size import RESULT_BYTES
from sitewright.contracts.steps import AgentResult, RepairResult, StepName
from sitewright.retry import Backoff
from tests.support.workspace.runner_parts import git, read_command, read_session, request
from tests.support.workspace.runner_world import (
    World,
    commit_step,
    edit,
    in_background,
    interrupt,
    slow_edit,
    store,
    wait_for,
)


def test_a_steps_result_is_recorded_reported_and_the_claim_given_back(world: World) -> None:
    world.use(agent=edit({"index.html": "1"}, "Changed the heading"))
    assert world.step(StepName.AGENT) == 0
    kind, report = world.report
    assert kind == "success"
    assert report["taskToken"] == "task-token-of-agent-cmd-1"
    assert report["output"]["filesChanged"] == ["index.html"]
    assert report["output"]["summary"] == "Changed the heading"
    record = read_command(world.clients, "cmd-1").agent
    assert record is not None and record.files_changed == ["index.html"]
    assert world.claim_is_free()
    assert ("heartbeat", {"taskToken": report["taskToken"]}) in world.clients.sfn.calls
    assert report["taskToken"] not in world.log.getvalue()
    assert not world.events("claim lost"), "giving the claim back is not losing it"


def test_a_repair_is_checkpointed_periodically_and_recorded_separately(world: World) -> None:
    seen: list[str | None] = []

    def repair(ctx: StepContext) -> RepairResult:
        before = read_session(world.clients).checkpoint
        (ctx.paths.site / "index.html").write_text("repaired")
        wait_for(lambda: read_session(world.clients).checkpoint != before)
        seen.append(before)
        return RepairResult(changed=True, summary="Repaired")

    world.use(agent=edit({"index.html": "1"}, "Edited"), build=commit_step(), repair=repair)
    for step in (StepName.AGENT, StepName.BUILD, StepName.REPAIR):
        assert world.step(step) == 0
    command = read_command(world.clients, "cmd-1")
    assert command.agent and command.repair and seen
    assert (command.agent.summary, command.repair.summary) == ("Edited", "Repaired")


def test_a_workspace_waits_for_another_workspaces_claim(world: World) -> None:
    other = store(world)
    other.claim()
    threading.Timer(0.8, other.abandon).start()
    world.use(agent=edit({"index.html": "1"}))
    assert world.step(StepName.AGENT) == 0
    assert world.report[0] == "success"
    assert world.events("waiting for another workspace of the session")


def test_a_claim_that_stays_taken_is_busy(world: World) -> None:
    store(world).claim()
    world.use(agent=edit({"index.html": "1"}))
    assert world.step(StepName.AGENT) == 0
    kind, report = world.report
    assert (kind, report["error"], report["cause"]["code"]) == ("failure", "Workspace.Busy", "workspace_busy")
    assert read_session(world.clients).workspace_id == "somebody-else"


def test_termination_checkpoints_without_a_commit_and_the_run_goes_on(world: World) -> None:
    stop = Stop()
    world.use(agent=slow_edit({"index.html": "half"}))
    runner = world.prepare(StepName.AGENT, stop=stop)
    thread, codes = in_background(runner.run)
    wait_for((world.root / "working").exists)
    stop.add(StopReason.TERMINATED)
    thread.join(20)
    assert codes == [0]
    assert world.report[1]["error"] == "Workspace.Stopped"
    assert world.claim_is_free()
    seen: list[Any] = []

    def again(ctx: StepContext) -> AgentResult:
        seen.extend([ctx.checkout.changed_files(ctx.checkout.head()), ctx.checkout.head()])
        return AgentResult()

    world.use(agent=again)
    world.step(StepName.AGENT)
    assert seen == [["index.html"], world.remote("rev-parse", "main")]
    assert "thread-t1" not in world.remote("branch")


def test_a_lost_claim_writes_nothing_outside(world: World) -> None:
    world.use(agent=slow_edit({"index.html": "half"}))
    runner = world.prepare(StepName.AGENT)
    object.__setattr__(runner.timing, "checkpoint", 60.0)
    thread, codes = in_background(runner.run)
    wait_for((world.root / "working").exists)
    before = world.checkpoints()
    world.clients.dynamodb.update_item(
        TableName="sessions",
        Key={"clientSession": {"S": "amelia#s1"}},
        UpdateExpression="SET workspaceId = :other",
        ExpressionAttributeValues={":other": {"S": "other"}},
    )
    thread.join(20)
    assert codes == [3]
    assert world.clients.sfn.reports == []
    assert world.checkpoints() == before
    assert "thread-t1" not in world.remote("branch")
    session = read_session(world.clients)
    assert session.workspace_id == "other" and session.checkpoint is None
    assert read_command(world.clients, "cmd-1").interruption is None


def test_a_token_that_is_gone_ends_the_step_and_saves_it(world: World) -> None:
    world.use(agent=slow_edit({"index.html": "half"}))
    thread, codes = in_background(world.prepare(StepName.AGENT).run)
    wait_for((world.root / "working").exists)
    world.clients.sfn.gone = True
    thread.join(20)
    assert codes == [0]
    assert world.clients.sfn.reports == []
    assert world.claim_is_free() and read_session(world.clients).checkpoint is not None


def test_a_claim_that_cannot_be_released_does_not_fail_the_step(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import EndpointConnectionError

    def down(*_: Any, **__: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://dynamodb")

    monkeypatch.setattr(SessionStore, "release_idle", down)
    world.use(agent=edit({"index.html": "1"}))
    world.step(StepName.AGENT)
    assert world.report[0] == "success"


def test_a_late_step_does_not_overwrite_the_recorded_interruption(world: World) -> None:
    world.use(agent=slow_edit({"index.html": "half"}))
    interrupt(world, StepName.AGENT)
    saved = read_command(world.clients, "cmd-1").interruption
    assert world.step(StepName.BUILD) == 0
    assert read_command(world.clients, "cmd-1").interruption == saved


def test_an_unexpected_error_is_reported_with_its_name_and_the_edits_are_kept(world: World) -> None:
    def broken(ctx: StepContext) -> AgentResult:
        edit({"index.html": "half"})(ctx)
        raise ZeroDivisionError("a bug")

    world.use(agent=broken)
    assert world.step(StepName.AGENT) == 0
    kind, report = world.report
    assert (kind, report["error"], report["cause"]["code"]) == ("failure", "Step.Failed", "internal_error")
    assert "ZeroDivisionError: a bug" in report["cause"]["message"]
    assert "Traceback" in world.events("unexpected error")[0]["traceback"]
    assert world.claim_is_free()
    assert world.step(StepName.SALVAGE) == 0
    assert world.remote("show", "thread-t1:index.html") == "half"


def test_an_error_while_saving_does_not_hang_the_session(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    world.use(agent=slow_edit({"index.html": "half"}))
    monkeypatch.setattr(Checkout, "commit_all", broken)
    interrupt(world, StepName.AGENT)
    assert world.events("saving failed")
    assert read_session(world.clients).checkpoint is not None


def test_a_report_that_does_not_get_through_is_exit_code_1(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import EndpointConnectionError
    from workspace.lifecycle import step_report

    def down(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://sfn")

    monkeypatch.setattr(step_report, "BACKOFF", Backoff(seconds=0.5, first=0.1, longest=0.1))
    monkeypatch.setattr(world.clients.sfn, "send_task_success", down)
    world.use(agent=edit({"index.html": "1"}))
    assert world.step(StepName.AGENT) == 1
    serving = read_session(world.clients).serving
    assert serving is not None and serving.task_token == request(StepName.AGENT).task_token, "`task_stopped` finds it"


def test_results_fit_a_payload_and_an_item() -> None:
    paths = [f"{'directory/' * 20}{i}.html" for i in range(2_000)]
    result = AgentResult(files_changed=paths, files_changed_count=2_000, summary="s" * 300_000)
    console, record = for_console(result), for_record(result)
    assert isinstance(console, AgentResult) and isinstance(record, AgentResult)
    assert (
        len(console.to_json().encode()) <= RESULT_BYTES and console.files_changed == paths[: len(console.files_changed)]
    )
    assert sum(len(p) for p in record.files_changed) <= MAX_LIST_BYTES
    assert console.files_changed_count == record.files_changed_count == 2_000


def test_git_work_of_the_checkout_is_the_sessions_branch(world: World) -> None:
    world.use(agent=edit({"index.html": "1"}))
    world.step(StepName.AGENT)
    assert git(world.root / "site", "symbolic-ref", "--short", "HEAD") == "thread-t1"
