"""What a step works with. Steps get it whole; they create none of it and reach for no global."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sitewright.contracts.records import CommandRecord, SessionRecord
from sitewright.contracts.steps import StepRequest

if TYPE_CHECKING:
    from workspace.repository.checkout import Checkout
    from workspace.system.aws_clients import Clients
    from workspace.system.paths import Paths
    from workspace.system.settings import Settings


@dataclass(frozen=True)
class ChildResult:
    """How a child process ended: exit code (negative: the signal) and the end of its output."""

    returncode: int
    tail: str
    seconds: float


class Children(Protocol):
    """Runs child processes, each in a process group of its own, and ends the group when the step is stopped."""

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        timeout: float,
        stdin: str | None = None,
        on_line: Callable[[str], None] | None = None,
        log_lines: bool = True,
    ) -> ChildResult:
        """Runs a program to its end and hands each line of its merged stdout and stderr to `on_line`.

        The environment is exactly `env`. On a stop the ladder SIGINT (5 s), SIGTERM (2 s), SIGKILL goes to the whole group, then
        StepStopped is raised; lines the child prints meanwhile still reach `on_line`. On `timeout` (seconds) the same ladder, then
        TimeoutError. No child of the group outlives the call.
        """


class Fence(Protocol):
    """The guard before everything that leaves the workspace."""

    def verify(self, *, any_generation: bool = False) -> object:
        """Makes sure that we may write: the claim, refreshed, is ours and (unless `any_generation`) the generation is the run's.

        Raises Fenced.
        """

    def check_stop(self) -> None:
        """Raises StepStopped if the step has to end. Cheap: looks at a flag. To be called between small pieces of work."""


@dataclass(frozen=True)
class StepContext:
    """Everything a step needs."""

    settings: Settings
    request: StepRequest
    command: CommandRecord
    session: SessionRecord
    paths: Paths
    checkout: Checkout
    children: Children
    fence: Fence
    aws: Clients
    log: Callable[..., None] = field(repr=False)
    """`log("message", key=value)`: one JSON line on stdout with sessionId, commandId and step."""
    progress: Callable[[str], None] = field(repr=False)
    """A line for a human about what is being done now."""
    save_beside: Callable[[], None] = field(default=lambda: None, repr=False)
    """Begins a checkpoint of what is there now, beside what the step does next."""
    mend: Callable[[], None] = field(default=lambda: None, repr=False)
    """Puts the repository back if a child destroyed it, and leaves the files as they are."""
