"""Tasks as host processes."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from sitewright.local.ecs.orphan_processes import SPAWN, kill_orphans
from sitewright.local.ecs.task import Json, Task
from sitewright.local.machine.guest_users import GUEST_UID, free_uid, processes_of, uid_of
from sitewright.local.machine.marked_processes import kill_until_none, processes_with_home
from sitewright.local.machine.service_environment import NO_PLUGINS, aws_environment, network_environment, tool_path
from sitewright.local.machine.service_processes import ProcessRecord, start_time
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home


@dataclass
class ProcessTask(Task):
    """A task and its process."""

    record: Path = field(kw_only=True)
    """The file of the process record while it runs."""
    before: ProcessRecord | None = None
    """The process that an earlier ECS service started: its exit code stays unknown."""
    process: subprocess.Popen[bytes] | None = None
    guest: int | None = None
    """The uid of the agent and the build; None: the whole task has one user."""

    @property
    def adopted(self) -> bool:
        """See Task.adopted."""
        return self.before is not None

    def environment(self) -> dict[str, str]:
        """The process's environment; its folder stands for the image's /workspace."""
        env = {"SITEWRIGHT_ROOT": str(self.folder), "HOME": str(self.folder), **super().environment()}
        return env | ({GUEST_UID: str(self.guest)} if self.guest is not None else {})

    def start(self) -> None:
        """See Task.start."""
        with self._lock:
            if self.stop_asked:
                return
            # An ECS service that was killed between the start of this task and its record left a process.
            kill_until_none(lambda: processes_with_home(self.folder))
            command = [sys.executable if part == "python" else part for part in self.container.get("command", [])]
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                if self.guest is not None:
                    # The guests of other tasks may not pass, whatever the umask is.
                    os.chown(self.folder, -1, self.guest)
                    self.folder.chmod(0o750)
                # A file, not a pipe: the output must outlive the ECS service.
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
                return
        ProcessRecord(self.process.pid, start_time(self.process.pid) or "", self.arn).save(self.record)

    def stop(self) -> None:
        """SIGTERM to the group, after `stopTimeout` SIGKILL. Returns at once."""
        with self._lock:
            if self.stop_asked or self.failed or (self._started and self.over):
                return
            self.stop_asked = True
            if not self._started:
                return
        self._signal(signal.SIGTERM)
        timer = threading.Timer(float(self.stop_seconds), self.kill)
        timer.daemon = True
        timer.start()

    def kill(self) -> None:
        """See Task.kill."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self._signal(signal.SIGKILL)
        kill_until_none(self._left)

    def _left(self) -> list[int]:
        """Processes that left the group."""
        return processes_with_home(self.folder) + (processes_of(self.guest) if self.guest is not None else [])

    def remove(self) -> None:
        """See Task.remove."""
        self.record.unlink(missing_ok=True)

    def _signal(self, number: int) -> None:
        pid = self.process.pid if self.process is not None else self.before.pid if self.before else None
        if pid is not None and not self.over:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)

    @property
    def _started(self) -> bool:
        return self.process is not None or self.before is not None

    @property
    def over(self) -> bool:
        """See Task.over."""
        if self.process is not None:
            return self.process.poll() is not None
        if self.before is not None:
            return not self.before.alive
        return self.failed is not None or self.stop_asked

    @property
    def exit_code(self) -> int | None:
        """See Task.exit_code."""
        code = self.process.poll() if self.process else None
        return 128 - code if code is not None and code < 0 else code


@dataclass(frozen=True)
class ProcessRuntime:
    """Runs each task's command on this machine, with this Python."""

    home: Home
    endpoint_url: str
    region: str
    subreaper: bool = False
    """This process is a child subreaper: orphans of the tasks are its children."""
    guests: bool = False
    """Each task has a second user, for the agent and the build."""
    _uids: dict[str, int] = field(default_factory=dict)
    """The guest of each running task, by the task's id."""

    def task(self, data: Json, definition: Json, endpoints: dict[str, str]) -> ProcessTask:
        """See Runtime.task."""
        identity = data["taskArn"].rsplit("/", 1)[-1]
        record = self.home.task_records / f"{identity}.json"
        env = {
            **aws_environment(self.endpoint_url, self.region),
            **network_environment(os.environ),
            "PATH": os.pathsep.join([*tool_path(), os.environ.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY_ROOT), str(REPOSITORY_ROOT / "container")]),
            "PYTHONUNBUFFERED": "1",
            **NO_PLUGINS,
            **endpoints,
        }
        folder, log = self.home.tasks / identity, self.home.task_logs / f"{identity}.log"
        # A record means that an earlier ECS service started the task and was killed: continue with that process.
        before = ProcessRecord.load(record)
        guest = self._guest(identity, before)
        return ProcessTask(data, definition, folder, log, env, record=record, before=before, guest=guest)

    def _guest(self, identity: str, before: ProcessRecord | None) -> int | None:
        uid = uid_of(before.pid) if before else free_uid(self._uids.values()) if self.guests else None
        if uid is not None:
            self._uids[identity] = uid
        return uid

    def clear(self, tasks: dict[str, Task]) -> None:
        """Kills orphans: a container's end would have ended them."""
        for ended in set(self._uids) - set(tasks):
            del self._uids[ended]
        if self.subreaper:
            with SPAWN:
                own = {task.process.pid for task in tasks.values() if isinstance(task, ProcessTask) and task.process}
                kill_orphans(own)
