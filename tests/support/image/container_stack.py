"""The stack of the tests in containers, and what is seen of its containers from outside."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from sitewright.local.containers.container_engine import Engine
from tests.support.e2e.stack_driver import Sent, Stack, descendants


@dataclass(frozen=True)
class Process:
    """A process of a container, as the host sees it."""

    pid: int
    uid: int
    command: str


@dataclass(frozen=True)
class ContainerStack:
    """A stack whose workspaces are containers."""

    engine: Engine
    home: Path
    stack: Stack

    def log(self, container: str) -> str:
        """The container's log."""
        path = self.home / "log" / "tasks" / f"{container}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def container(self, sent: Sent) -> str:
        """The name of the running container that works, or waits, for the command's session."""
        marks = (f'"{sent.session_id}"', f'"{sent.command_id}"')
        found = [name for name in self.engine.names(self.home) if all(mark in self.log(name) for mark in marks)]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} containers of {sent}: {found}")
        return found[0]

    def processes(self, container: str) -> list[Process]:
        """Every process of a container, the first one first."""
        first = int(self.engine.call(["container", "inspect", "--format", "{{.State.Pid}}", container]))
        found = []
        for pid in [first, *descendants(first)]:
            with contextlib.suppress(OSError):
                proc = Path(f"/proc/{pid}")
                [uids] = [line for line in (proc / "status").read_text().splitlines() if line.startswith("Uid:")]
                command = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append(Process(pid, int(uids.split()[1]), command))
        return found

    def strangers(self, container: str) -> list[Process]:
        """The processes that are neither the runner nor its prepared driver: nothing else may run between commands."""
        return [
            process
            for process in self.processes(container)
            if not any(own in process.command for own in ("-m workspace", "workspace.agent.driver"))
        ]
