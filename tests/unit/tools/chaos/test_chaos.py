"""The plan of a chaos run follows from its seed, and its checks find what is wrong."""

from pathlib import Path
from typing import Any

from sitewright.local.demo_model.instruction_parser import understand
from sitewright.local.ecs.event_faults import EventFaults, write
from tools.chaos import promises
from tools.chaos.schedule import PlannedCommand, plan


def orders() -> list[PlannedCommand]:
    return [order for session in plan(5, 10, 3, ["amelia", "bruno"]) for order in session]


def answer(order: PlannedCommand, **changes: Any) -> dict[str, Any]:
    ids = {"sessionId": order.session_id, "commandId": order.command_id}
    return {**ids, "status": "succeeded", "filesChanged": [order.path], "commit": "c", **changes}


def test_the_plan_follows_from_the_seed() -> None:
    assert orders() == orders()
    assert len(orders()) == 10
    assert {order.client_id for order in orders()} == {"amelia", "bruno"}
    assert len({order.path for order in orders()}) == 10
    assert plan(6, 10, 3, ["amelia"]) != plan(5, 10, 3, ["amelia"])
    assert all(session[-1].interrupt_after is None for session in plan(5, 10, 3, ["amelia"]))


def test_the_demo_model_understands_every_order() -> None:
    for order in orders():
        request = understand(order.instruction)
        assert request.kind in {"post", "command"}
        assert order.mark in request.text


def test_missing_double_and_unknown_answers() -> None:
    one, two, three = orders()[:3]
    found = promises.answers([one, two], [answer(one), answer(one), answer(three)])
    assert [line.split(":")[0] for line in found] == [one.command_id, two.command_id, three.command_id]
    assert promises.answers([one], [answer(one)]) == []


def test_files_that_are_lost() -> None:
    one, two = orders()[:2]
    assert promises.files([one, two], [answer(one)], [], {one.path: one.mark}) == []
    assert "no commit" in promises.files([one, two], [answer(one)], [], {})[0]
    assert "another text" in promises.files([one, two], [answer(one)], [], {one.path: two.mark})[0]
    assert "at a kill" in promises.files([one, two], [], [two.path], {})[0]
    assert promises.outcomes([one], [answer(one, filesChanged=[])], {}) != []
    covering = answer(one, covers=[two.command_id])
    assert two.command_id in promises.outcomes([one, two], [covering], {one.path: one.mark})[0]


def test_commits_that_are_lost() -> None:
    one = orders()[0]
    assert promises.commits([answer(one), answer(one, commit=None)], lambda session, commit: commit == "c") == []
    assert promises.commits([answer(one, commit="d")], lambda session, commit: commit == "c") != []


def test_event_faults_follow_their_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    faults = EventFaults(path)
    assert faults.deliveries() == [0.0]
    write(path, seed=1, drop=1, duplicate=0, delay=0, seconds=4)
    assert faults.deliveries() == []
    write(path, seed=1, drop=0, duplicate=1, delay=0, seconds=4)
    assert faults.deliveries() == [0.0, 4.0]
    write(path, seed=1, drop=0, duplicate=0, delay=1, seconds=4)
    assert faults.deliveries() == [4.0]
    path.unlink()
    assert faults.deliveries() == [0.0]
