"""One task as a host process."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.dataplane.reaper import SPAWN
from local.processes import ProcessRecord, start_time
from local.strays import kill_until_none, living_at

Json = dict[str, Any]

STOP_SECONDS = 30
"""ECS's default of `stopTimeout`."""


@dataclass
class Task:
    """A task and its process. `task` and `definition` are as DescribeTasks and DescribeTaskDefinition answer."""

    task: Json
    definition: Json
    folder: Path
    log: Path
    base_environment: dict[str, str]
    adopted: ProcessRecord | None = None
    """The process of a data plane before this one: its exit code stays unknown."""
    process: subprocess.Popen[bytes] | None = None
    failed: str | None = None
    stop_asked: bool = False
    reports: int = 0
    """How often its end was tried to be reported."""
    _shipped: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.adopted and self.log.exists():
            self._shipped = self.log.stat().st_size

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

    def environment(self) -> dict[str, str]:
        """The process's environment: what an image and ECS would add, the definition's, the overrides'."""
        env = dict(self.base_environment)
        env["SITEWRIGHT_ROOT"] = str(self.folder)
        env["HOME"] = str(self.folder)
        env |= {pair["name"]: pair["value"] for pair in self.container.get("environment", [])}
        for override in self.task.get("overrides", {}).get("containerOverrides", []):
            if override.get("name") == self.container["name"]:
                env |= {pair["name"]: pair["value"] for pair in override.get("environment", [])}
        return env

    def start(self) -> ProcessRecord | None:
        """Starts the container's command; without a record `failed` says why not, or it was stopped before."""
        with self._lock:
            if self.stop_asked:
                return None
            command = [sys.executable if part == "python" else part for part in self.container.get("command", [])]
            # A data plane that was killed after it had started this task, and before it had written that down.
            kill_until_none(lambda: living_at(self.folder))
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                # A file, not a pipe: a data plane that ends must not take the task's output with it.
                with SPAWN, self.log.open("ab") as log:
                    self.process = subprocess.Popen(
                        command,
                        cwd=self.folder,
                        env=self.environment(),
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
            except (OSError, IndexError) as error:
                self.failed = f"CannotStartContainerError: {error}"
                return None
            return ProcessRecord(self.process.pid, start_time(self.process.pid) or "", self.arn)

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

    def stop(self) -> None:
        """SIGTERM to the group, after `stopTimeout` SIGKILL. Returns at once."""
        with self._lock:
            if self.stop_asked or self.failed or (self._started and self.over):
                return
            self.stop_asked = True
            if not self._started:
                return
        self._signal(signal.SIGTERM)
        timer = threading.Timer(float(self.container.get("stopTimeout") or STOP_SECONDS), self.kill)
        timer.daemon = True
        timer.start()

    def kill(self) -> None:
        """SIGKILL to whatever is left of the task, also when the container's own process has ended."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self._signal(signal.SIGKILL)
        kill_until_none(lambda: living_at(self.folder))  # what left the group

    def _signal(self, number: int) -> None:
        pid = self.process.pid if self.process is not None else self.adopted.pid if self.adopted else None
        if pid is not None and not self.over:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)

    @property
    def _started(self) -> bool:
        return self.process is not None or self.adopted is not None

    @property
    def over(self) -> bool:
        """Whether nothing runs any more, or nothing will."""
        if self.process is not None:
            return self.process.poll() is not None
        if self.adopted is not None:
            return not self.adopted.alive
        return self.failed is not None or self.stop_asked

    @property
    def exit_code(self) -> int | None:
        """As a container reports it (128 + signal); None while it runs and where it is unknown."""
        code = self.process.poll() if self.process else None
        return 128 - code if code is not None and code < 0 else code

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
        elif self.failed:
            container["reason"] = self.failed
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
        }
