"""One task as a host process."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
STOP_SECONDS = 30


@dataclass
class Task:
    """A task and its process. `task` and `definition` are as DescribeTasks and DescribeTaskDefinition answer."""

    task: Json
    definition: Json
    folder: Path
    log: Path
    base_environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    failed: str | None = None
    stop_asked: bool = False
    lines: list[tuple[int, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

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
        """The process's environment: the definition's, the overrides', and what an image and ECS would add."""
        env = dict(self.base_environment)
        env["SITEWRIGHT_ROOT"] = str(self.folder)
        env["HOME"] = str(self.folder)
        env |= {pair["name"]: pair["value"] for pair in self.container.get("environment", [])}
        for override in self.task.get("overrides", {}).get("containerOverrides", []):
            if override.get("name") == self.container["name"]:
                env |= {pair["name"]: pair["value"] for pair in override.get("environment", [])}
        return env

    def start(self) -> None:
        """Starts the container's command; `failed` says why it could not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable if part == "python" else part for part in self.container.get("command", [])]
        try:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, IndexError) as error:
            self.failed = f"CannotStartContainerError: {error}"
            return
        threading.Thread(target=self._forward, daemon=True).start()

    def _forward(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        with self.log.open("ab") as log:
            for raw in self.process.stdout:
                log.write(raw)
                log.flush()
                with self.lock:
                    self.lines.append((int(time.time() * 1000), raw.decode(errors="replace").rstrip("\n")))

    def take_lines(self) -> list[tuple[int, str]]:
        """(ms, line) of the log since the last call."""
        with self.lock:
            lines, self.lines = self.lines, []
        return lines

    def stop(self) -> None:
        """SIGTERM to the group, after `stopTimeout` SIGKILL. Returns at once."""
        if self.stop_asked or self.process is None:
            return
        self.stop_asked = True
        self._signal(signal.SIGTERM)
        seconds = float(self.container.get("stopTimeout") or STOP_SECONDS)
        timer = threading.Timer(seconds, self._signal, [signal.SIGKILL])
        timer.daemon = True
        timer.start()

    def _signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def exit_code(self) -> int | None:
        """None while it runs; as a container reports it (128 + signal) afterwards."""
        code = self.process.poll() if self.process else None
        return 128 - code if code is not None and code < 0 else code

    def stopped_event(self, exit_code: int | None) -> Json:
        """The `ECS Task State Change` detail, in the shape ECS sends it."""
        if self.failed:
            stop_code, reason = "TaskFailedToStart", self.failed
        elif self.stop_asked:
            stop_code, reason = "UserInitiated", self.task.get("stoppedReason") or "Task stopped by user"
        else:
            stop_code, reason = "EssentialContainerExited", "Essential container in task exited"
        container = {"name": self.container["name"], "lastStatus": "STOPPED", "taskArn": self.arn}
        if exit_code is not None:
            container["exitCode"] = exit_code
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
