"""Doubles of threads, git and S3 for the workspaces of the simulated world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import EndpointConnectionError
from workspace.claim.fence import ClaimFence
from workspace.claim.session import SessionStore
from workspace.errors import Fenced, StepStopped
from workspace.lifecycle.task_heartbeat import Heartbeat

if TYPE_CHECKING:
    from tests.support.protocol.model_workspace import Workspace


class Killed(BaseException):
    """The process was killed during a call."""


def quiet(*_: Any, **__: Any) -> None:
    pass


class Lost(EndpointConnectionError):
    """The call arrived, but its answer got lost."""

    def __init__(self) -> None:
        super().__init__(endpoint_url="http://dynamodb")


class Log:
    """The workspace's log, silent."""

    progress = staticmethod(quiet)
    hide = staticmethod(quiet)

    def __call__(self, *_: Any, **__: Any) -> None:
        pass


class BeatByHand(Heartbeat):
    """A heartbeat without a thread: the world sends each beat."""

    owner: Workspace

    def start(self) -> None:
        self.owner.beats.append(self)


@dataclass
class Push:
    """BackgroundPush without a thread: the world decides when the WIP commit is pushed."""

    workspace: Workspace
    waiting: list[tuple[ClaimFence, Callable[[bool], None]]] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        return bool(self.waiting)

    def start(self, _commit: str, fence: ClaimFence, ended: Callable[[bool], None] = lambda _: None) -> None:
        self.waiting.append((fence.after_stop(), ended))

    def join(self, timeout: float | None = None) -> None:
        while self.waiting:
            self.finish()

    def settle(self) -> None:
        self.join()

    def cancel(self) -> None:
        while self.waiting:
            _, ended = self.waiting.pop(0)
            ended(False)

    def finish(self) -> None:
        fence, ended = self.waiting.pop(0)
        try:
            fence.verify()
            fence.check_stop()
        except (Fenced, StepStopped, EndpointConnectionError):
            ended(False)
            return
        self.workspace.wrote("wip push", saving=True)
        ended(True)


@dataclass
class Checkpointer:
    workspace: Workspace
    store: SessionStore

    def write(self, fence: ClaimFence, *, settled: bool = False) -> bool:
        fence.verify()
        self.workspace.saving = fence.stopped
        self.store.set_checkpoint(f"checkpoint-{self.workspace.world.number()}", None)
        return True


@dataclass
class Checkout:
    """A checkout that always has changes to commit."""

    workspace: Workspace

    def commit_all(self, _message: str) -> str:
        return f"wip-{self.workspace.world.number()}"

    def head(self) -> str:
        return "head"

    def tracking(self) -> None:
        return None

    def commits_touch(self, *_: Any) -> list[str]:
        return ["index.html"]


class Cache:
    """A BuildCache without files to save."""

    busy = False

    def cancel(self) -> None:
        pass


@dataclass
class WorkingCopy:
    push: Push
    checkpointer: Checkpointer
    cache: Cache = field(default_factory=Cache)
