"""Tells the ECS service that tasks were ordered or stopped. Without it the service asks for all tasks many times a second."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.services import ecs  # type: ignore[import-untyped]


def install(file: Path) -> None:
    """Makes MiniStack change the file at each RunTask and StopTask, after it is carried out."""
    lock = threading.Lock()
    file.write_text("0", encoding="utf-8")

    def announcing(act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(data: Any) -> Any:
            answer = act(data)
            with lock:
                file.write_text(str(int(file.read_text(encoding="utf-8")) + 1), encoding="utf-8")
            return answer

        return acting

    # Step Functions calls the function, requests go through the map.
    ecs._run_task = ecs._ACTION_MAP["RunTask"] = announcing(ecs._run_task)
    ecs._stop_task = ecs._ACTION_MAP["StopTask"] = announcing(ecs._stop_task)
