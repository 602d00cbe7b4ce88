"""The emulator announces ordered and stopped tasks in a file."""

from pathlib import Path

import pytest
from ministack.services import ecs  # type: ignore[import-untyped]

from sitewright.local.emulator import task_orders


def test_each_order_changes_the_file_after_it_is_carried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, file = list[tuple[str, str, str]](), tmp_path / "orders"
    for name, action in (("_run_task", "RunTask"), ("_stop_task", "StopTask")):

        def act(data: str, name: str = name) -> str:
            seen.append((name, data, file.read_text()))
            return f"answer of {name}"

        monkeypatch.setattr(ecs, name, act)
        monkeypatch.setitem(ecs._ACTION_MAP, action, act)

    task_orders.install(file)

    before = file.read_text()
    assert ecs._run_task("of a state machine") == "answer of _run_task"
    ordered = file.read_text()
    assert ecs._ACTION_MAP["StopTask"]("of a request") == "answer of _stop_task"
    assert seen == [("_run_task", "of a state machine", before), ("_stop_task", "of a request", ordered)]
    assert len({before, ordered, file.read_text()}) == 3
