"""The context of a step: settings, clients, checkout, fence, log. A step creates none of these and uses no global."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from sitewright.contracts.commit_author import DEFAULT_AUTHOR, CommitAuthor
from sitewright.contracts.records import CommandRecord, SessionRecord
from sitewright.contracts.steps import StepRequest
from workspace.repository.checkout import Checkout
from workspace.repository.newer_work.taking_in import NewerWork, TakenIn
from workspace.system.aws_clients import Clients
from workspace.system.children import Children
from workspace.system.paths import Paths
from workspace.system.settings import Settings


class Fence(Protocol):
    """The check before every write outside the workspace."""

    def verify(self, *, allow_superseded: bool = False) -> object:
        """Checks that the refreshed claim is ours and (unless `allow_superseded`) that the generation is the run's.

        Raises Fenced.
        """

    def check_stop(self) -> None:
        """Raises StepStopped if the step has to end. Only reads a flag, so a step may call it often."""


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
    """Logs a line for a person about the work under way."""
    hide: Callable[[str], None] = field(default=lambda _: None, repr=False)
    """Keeps a text out of the log."""
    newer: NewerWork | None = field(default=None, repr=False)
    """What came since into the site. None: the site's sessions are isolated."""
    taken: TakenIn = field(default_factory=TakenIn)
    """What came of taking it in at the step's beginning."""
    others_changed: bool = False
    """The step took in work of others."""
    author: CommitAuthor = DEFAULT_AUTHOR
    """The author of commits, the agent's own ones too."""
    checkpoint_in_background: Callable[[], None] = field(default=lambda: None, repr=False)
    """Begins a checkpoint in the background, while the step goes on."""
    save_commit: Callable[[str], None] = field(default=lambda _: None, repr=False)
    """Makes sure that a checkpoint has HEAD's commit: nobody else may have it when it is live."""
    checkpoints_paused: Callable[[], AbstractContextManager[None]] = field(default=nullcontext, repr=False)
    """The block in which no checkpoint works in the checkout: its git may run programs of the guest's. Raises StepStopped."""
    repair_repository: Callable[[], None] = field(default=lambda: None, repr=False)
    """Restores the repository if a child destroyed it. The files do not change."""
