"""A command's cost is recorded during the step, so a repetition of Agent or Repair gets the remaining budget."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from workspace.agent import budget
from workspace.agent.budget import CommandBudget
from workspace.errors import StepFailed, StepStopped, StopReason
from workspace.steps import agent_step, repair_step

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import AgentResult, RepairResult
from tests.integration.workspace.steps.test_repair_step import broken
from tests.support.workspace.agent_world import World, editing, make_world, world
from tests.support.workspace.fake_model import Reply, hang, text, tool
from tests.support.workspace.runner_parts import TestClients, accept, make_aws, read_command

USD_A_REQUEST = 0.3003
"""Claude Code's price of 100 input and 20,000 output tokens with the model of these tests."""


def costly(_: dict[str, Any], __: int) -> Reply:
    return tool("Bash", {"command": "echo >> tried.txt", "description": "x"}, output_tokens=20_000)


def run(w: World, ended: list[Exception]) -> None:
    try:
        agent_step.run(w.ctx)
    except (StepStopped, StepFailed) as error:
        ended.append(error)


def wait_for(noted: list[float], least: float) -> None:
    until = time.monotonic() + 20
    while not noted or noted[-1] < least:
        assert time.monotonic() < until, noted
        time.sleep(0.01)


def spent(w: World, usd: float, **parts: Any) -> World:
    command = w.ctx.command.model_copy(update={"spent_usd": usd, **parts})
    return replace(w, ctx=replace(w.ctx, command=command))


def test_a_killed_attempt_has_recorded_its_finished_requests_and_its_repetition_gets_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "EVERY_SECONDS", 0.02)

    first = threading.Event()
    first.set()

    def script(body: dict[str, Any], number: int) -> Reply:
        return hang() if number == 3 and first.is_set() else costly(body, number)

    with world(tmp_path, script, max_budget_usd=1.5) as (w, model):
        ended: list[Exception] = []
        dying = threading.Thread(target=lambda: run(w, ended))
        dying.start()
        # The cost is recorded during the fourth request. A workspace that dies here does nothing of the rest.
        wait_for(w.noted, 3 * USD_A_REQUEST - 0.001)
        assert dying.is_alive() and w.noted == sorted(w.noted)
        known = w.noted[-1]
        w.stop.add(StopReason.TERMINATED)
        dying.join(20)
        first.clear()
        asked = len(model.requests)
        assert isinstance(ended[0], StepStopped)
        with pytest.raises(StepFailed) as caught:
            agent_step.run(replace(spent(w, known).ctx, children=make_world(tmp_path / "b", model).ctx.children))
        assert caught.value.error.code is ErrorCode.BUDGET_EXCEEDED
        # 0.60 of 1.50 USD are left, which two requests use up.
        assert 1 <= len(model.requests) - asked <= 3
        wait_for(w.noted, known + USD_A_REQUEST)


def test_a_killed_repair_is_repeated_with_the_remaining_budget(tmp_path: Path) -> None:
    with world(tmp_path, costly, max_budget_usd=2.0) as (w, model):
        # The agent cost 0.5 USD, so the repair that died cost 1.2.
        result = repair_step.run(spent(broken(w, agent=AgentResult(cost_usd=0.5)), 1.7).ctx)
        assert result.error is not None and result.error.code is ErrorCode.BUDGET_EXCEEDED
        assert len(model.requests) <= 2 and result.cost_usd == pytest.approx(USD_A_REQUEST, rel=0.01)
        wait_for(w.noted, 1.7 + USD_A_REQUEST - 0.001)


@pytest.mark.parametrize("step", ["agent", "repair"])
def test_without_remaining_budget_claude_code_is_not_started(tmp_path: Path, step: str) -> None:
    with world(tmp_path, lambda *_: text("x")) as (w, model):
        if step == "agent":
            with pytest.raises(StepFailed) as caught:
                agent_step.run(spent(w, 1.995).ctx)
            code = caught.value.error.code
        else:
            error = repair_step.run(spent(broken(w), 1.995).ctx).error
            assert error is not None
            code = error.code
        assert code is ErrorCode.BUDGET_EXCEEDED and model.requests == []


def test_an_agent_whose_report_got_lost_is_not_paid_twice(tmp_path: Path) -> None:
    with world(tmp_path, editing(tmp_path)) as (w, model):
        first = agent_step.run(w.ctx)
        asked = len(model.requests)
        again = spent(w, first.cost_usd or 0.0, agent=first)
        assert agent_step.run(again.ctx) == first and len(model.requests) == asked
        # The checkpoint was lost, and the edits with it.
        (tmp_path / "site" / "banner.html").unlink()
        assert agent_step.run(again.ctx).files_changed == ["banner.html"] and len(model.requests) > asked


def test_the_cost_of_a_run_without_a_result_is_read_from_the_transcript(tmp_path: Path) -> None:
    def script(body: dict[str, Any], number: int) -> Reply:
        if number == 2:
            # Claude Code writes its transcript in the background.
            return replace(tool("Bash", {"command": "kill -9 $PPID", "description": "x"}), wait_seconds=2.0)
        return costly(body, number)

    with world(tmp_path, script) as (w, _), pytest.raises(StepFailed):
        agent_step.run(w.ctx)
    wait_for(w.noted, 2 * USD_A_REQUEST - 0.001)


@pytest.fixture
def table() -> Iterator[TestClients]:
    with mock_aws():
        clients = TestClients()
        make_aws(clients)
        accept(clients, "cmd-1", 1)
        yield clients


def on_table(tmp_path: Path, clients: TestClients) -> World:
    w = make_world(tmp_path, None, url="http://127.0.0.1:9")
    return replace(w, ctx=replace(w.ctx, aws=clients, command=read_command(clients, "cmd-1")))


def test_a_recorded_cost_never_decreases(tmp_path: Path, table: TestClients) -> None:
    w = on_table(tmp_path, table)
    late, newer = CommandBudget.for_step(w.ctx), CommandBudget.for_step(w.ctx)
    for work, cost in ((newer, 0.5), (late, 0.2)):
        with work.recorded(lambda: 0.0):
            work.add(cost)
    command = read_command(table, "cmd-1")
    assert command.spent_usd == command.cost_usd == 0.5
    following = CommandBudget.for_step(replace(w.ctx, command=command))
    assert following.remaining_usd == pytest.approx(1.5)
    with following.recorded(lambda: 0.0):
        following.add(0.25)
    assert read_command(table, "cmd-1").spent_usd == 0.75
    assert w.logs == []


def test_a_table_that_cannot_be_reached_fails_no_step(tmp_path: Path, table: TestClients) -> None:
    w = on_table(tmp_path, table)
    table.dynamodb.delete_table(TableName="commands")
    work = CommandBudget.for_step(w.ctx)
    with work.recorded(lambda: 0.0):
        work.add(0.5)
    assert work.spent == 0.5 and any("could not be noted" in line for line in w.logs)


@pytest.mark.parametrize(
    ("parts", "cost"),
    [
        ({}, None),
        ({"spent_usd": 0.4}, 0.4),
        ({"agent": AgentResult(cost_usd=0.25), "repair": RepairResult(cost_usd=0.5)}, 0.75),
        ({"agent": AgentResult(cost_usd=0.25), "spent_usd": 0.6}, 0.6),  # an earlier attempt died
        ({"agent": AgentResult(cost_usd=0.25), "spent_usd": 0.1}, 0.25),  # the last record failed
    ],
)
def test_cost_of_a_command(parts: dict[str, Any], cost: float | None) -> None:
    assert CommandRecord(session_id="s", command_id="c", accepted_at=1, **parts).cost_usd == cost
