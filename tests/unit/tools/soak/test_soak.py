"""The plan of a soak run, and what its checks find."""

from typing import Any

import pytest

from sitewright.local.demo_model.instruction_parser import understand
from tools.soak import leftovers, verdicts
from tools.soak.at_once import of
from tools.soak.load import failed
from tools.soak.memory import Sample, Workspace, kind
from tools.soak.plan import plan, sites


def call(at: float, **changes: Any) -> dict[str, Any]:
    return {"at": at, "kind": "call", "service": "s3", "operation": "PUT", "detail": "", **changes}


def waiting(size: float) -> Workspace:
    return Workspace(1, {"runner": size, "driver": 60.0})


def test_the_plan_spreads_commands_over_sessions_and_sessions_over_sites() -> None:
    found = plan("r", 7, 3, sites(2))
    assert [len(session) for session in found] == [3, 2, 2]
    assert [session[0].client_id for session in found] == ["soak00", "soak01", "soak00"]
    assert len({command.command_id for session in found for command in session}) == 7
    assert all(understand(command.instruction).kind == "title" for session in found for command in session)


def test_a_run_is_cut_into_tenths_of_25_commands_at_least() -> None:
    ends = [float(n) for n in range(1, 111)]
    found = verdicts.windows(0.0, ends)
    assert [window.commands for window in found] == [25, 25, 25, 35]
    assert (found[0].begin, found[0].end, found[-1].end) == (0.0, 25.0, 110.0)
    assert len(verdicts.windows(0.0, [float(n) for n in range(1000)])) == 10
    assert verdicts.windows(0.0, []) == []


def test_what_a_waiting_workspace_asks_for_is_no_call_of_a_command() -> None:
    [window] = verdicts.windows(0.0, [5.0, 10.0])
    lines = [
        call(1),
        call(2, detail="refresh"),
        call(3, detail="look"),
        call(4, operation="SendTaskHeartbeat"),
        call(11),
    ]
    lines.append({"at": 5, "kind": "lambda", "function": "intake", "seconds": 1, "gb": 0.25})
    assert verdicts.calls_a_command(lines, window) == {"all": 1.0, "lambda": 0.5, "s3": 0.5}


@pytest.mark.parametrize(("last", "wrong"), [(11.0, 0), (13.0, 1)])
def test_more_calls_at_the_end_than_at_the_beginning(last: float, wrong: int) -> None:
    assert len(verdicts.grown_calls([{"s3": 10.0}, {"s3": 99.0}, {"s3": last}])) == wrong


def test_a_run_without_two_windows_says_nothing_about_growth() -> None:
    assert verdicts.grown_calls([{"s3": 10.0}]) != []


def test_memory_without_a_bound() -> None:
    cut = verdicts.windows(0.0, [float(n) for n in range(1, 51)])
    steady = [Sample(float(n), {"ecs": 60.0, "emulator": 300.0 + n}, (waiting(90.0),)) for n in range(1, 51)]
    by_window = verdicts.memory_by_window(steady, cut)
    assert by_window[0] == {"ecs": 60.0, "emulator": 325.0, "a waiting runner": 90.0}
    assert verdicts.grown_memory(by_window, 50) == []
    growing = [Sample(float(n), {"ecs": 60.0 + 2 * n}, (waiting(90.0 + 2 * n),)) for n in range(1, 51)]
    assert [line.split(":")[0] for line in verdicts.grown_memory(verdicts.memory_by_window(growing, cut), 50)] == [
        "a waiting runner",
        "ecs",
    ]


def test_processes_of_a_workspace_by_their_command_line() -> None:
    assert kind(["python", "-m", "workspace"]) == "runner"
    assert kind(["python", "-P", "-m", "workspace.agent"]) == "driver"
    assert kind(["/x/_bundled/claude", "--output-format"]) == "claude"
    assert kind(["node", "x.mjs"]) == kind(["astro build"]) == "node"
    assert kind(["git", "push"]) == kind([]) == "other"


def test_the_memory_of_workspaces_that_wait() -> None:
    busy = Workspace(2, {"runner": 500.0, "claude": 300.0})
    found = of(Sample(0.0, {}, (waiting(100.0), waiting(120.0), busy)))
    assert found == {"waiting": 2, "mb a session": 170.0, "parts": {"driver": 60.0, "runner": 110.0}}


def test_what_may_not_stay_in_the_tables() -> None:
    session = {"clientSession": "a#s", "ttl": "1"}
    assert leftovers.claimed([session]) == []
    assert leftovers.claimed([{**session, "mailbox": {}}]) == ["a#s: mailbox"]
    assert leftovers.open_commands([{"commandId": "c", "answeredAt": "1"}]) == []
    assert leftovers.open_commands([{"commandId": "c"}, {"commandId": "d", "answeredAt": "1", "open": "y"}]) == [
        "c",
        "d",
    ]
    assert leftovers.without_ttl([session, {"clientSession": "a#t", "commandId": "c"}]) == ["a#t c"]
    kept = [{"clientId": "a"}] * 21 + [{"clientId": "a", "ttl": "1"}, {"clientId": "b"}]
    assert leftovers.too_many_deployments(kept) == ["a: 21 deployments do not expire"]


def test_commands_that_did_not_succeed() -> None:
    good = {"commandId": "c", "status": "succeeded", "success": True, "error": None}
    bad = {"commandId": "d", "status": "failed", "success": False, "error": {"code": "lost"}}
    assert failed([good, bad]) == ["d: failed lost"]
