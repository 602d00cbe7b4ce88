"""The common part of process tasks and container tasks: environment, log, and the STOPPED event."""

import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

Json = dict[str, Any]

SIZES = ("cpu", "memory")
"""What a task has of CPU units and MiB, as text."""

STOP_SECONDS = 30
"""ECS's default of `stopTimeout`."""


@dataclass
class Task(ABC):
    """A task. `task` and `definition` are as DescribeTasks and DescribeTaskDefinition answer."""

    task: Json
    definition: Json
    folder: Path
    log: Path
    base_environment: dict[str, str]
    """The base of the environment; the definition and the overrides add to it."""
    failed: str | None = None
    """Why it could not start."""
    stop_asked: bool = False
    reports: int = 0
    """The number of attempts to report the end."""
    started_at: datetime | None = None
    """Unknown for a task of an earlier ECS service process."""
    _shipped: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.adopted and self.log.exists():
            self._shipped = self.log.stat().st_size

    @property
    @abstractmethod
    def adopted(self) -> bool:
        """Whether an earlier ECS service process started it."""

    @abstractmethod
    def start(self) -> None:
        """Starts the container's command, unless the task was stopped before; `failed` says why it did not start."""

    @abstractmethod
    def stop(self) -> None:
        """SIGTERM, after `stopTimeout` SIGKILL. Returns at once."""

    @abstractmethod
    def kill(self) -> None:
        """SIGKILL to every process of the task, also when its main process has ended."""

    @abstractmethod
    def remove(self) -> None:
        """Removes the record of the ended task."""

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether the task has ended, or will never start."""

    @property
    @abstractmethod
    def exit_code(self) -> int | None:
        """As a container reports it (128 + signal); None while it runs and where it is unknown."""

    @property
    def end_reason(self) -> str | None:
        """ECS's `reason` of the container, beside the exit code."""
        return self.failed

    @property
    def arn(self) -> str:
        """The task's ARN."""
        return str(self.task["taskArn"])

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rsplit("/", 1)[-1]

    @property
    def container(self) -> Json:
        """The container definition; our tasks have one."""
        found: Json = self.definition["containerDefinitions"][0]
        return found

    @property
    def stop_seconds(self) -> int:
        """How long it may take to end after SIGTERM."""
        return int(self.container.get("stopTimeout") or STOP_SECONDS)

    def environment(self) -> dict[str, str]:
        """Returns the environment. The definition overwrites the base, and the overrides overwrite both."""
        env = dict(self.base_environment)
        env |= {pair["name"]: pair["value"] for pair in self.container.get("environment", [])}
        for override in self.task.get("overrides", {}).get("containerOverrides", []):
            if override.get("name") == self.container["name"]:
                env |= {pair["name"]: pair["value"] for pair in override.get("environment", [])}
        return env

    def take_lines(self) -> list[tuple[int, str]]:
        """(ms, line) of the log since the last call; a last line without its end only once the task is over."""
        try:
            with self.log.open("rb") as file:
                file.seek(self._shipped)
                data = file.read()
        except FileNotFoundError:
            return []
        if not self.over:
            data = data[: data.rfind(b"\n") + 1]
        self._shipped += len(data)
        now = int(time.time() * 1000)
        return [(now, line) for line in data.decode(errors="replace").splitlines()]

    def stopped_event(self) -> Json:
        """The `ECS Task State Change` detail, in ECS's shape (its guide: "Task state change events")."""
        if self.failed:
            stop_code, reason = "TaskFailedToStart", self.failed
        elif self.stop_asked:
            stop_code, reason = "UserInitiated", "Task stopped by user"
        else:
            stop_code, reason = "EssentialContainerExited", "Essential container in task exited"
        container: Json = {"name": self.container["name"], "lastStatus": "STOPPED", "taskArn": self.arn}
        if self.exit_code is not None:
            container["exitCode"] = self.exit_code
        if self.end_reason:
            container["reason"] = self.end_reason
        return {
            "taskArn": self.arn,
            "clusterArn": self.task["clusterArn"],
            "taskDefinitionArn": self.task["taskDefinitionArn"],
            "lastStatus": "STOPPED",
            "desiredStatus": "STOPPED",
            "stopCode": stop_code,
            "stoppedReason": reason,
            "overrides": self.task.get("overrides", {}),
            "containers": [container],
            "group": self.task.get("group", ""),
            "startedBy": self.task.get("startedBy", ""),
            **self._times(datetime.now(UTC)),
        }

    def _times(self, now: datetime) -> Json:
        """Returns the event's times and sizes. Nothing is pulled here: the pull is the moment of the order."""
        ordered, size = self.task.get("createdAt"), {name: str(self.definition.get(name, "")) for name in SIZES}
        known = {"pullStartedAt": ordered, "createdAt": ordered, "startedAt": self.started_at, "stoppedAt": now}
        return size | {name: at.isoformat() for name, at in known.items() if isinstance(at, datetime)}


class Runtime(Protocol):
    """Starts tasks as processes or as containers."""

    def task(self, data: Json, definition: Json, endpoints: dict[str, str]) -> Task:
        """A new task with the variables that name ECS's endpoints to start, or one that an earlier ECS service process started."""

    def clear(self, tasks: dict[str, Task]) -> None:
        """Ends processes and containers that belong to no task of `tasks` (by id)."""
