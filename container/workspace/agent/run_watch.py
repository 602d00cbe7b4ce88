"""Tells when a run of Claude Code has to be ended, although its process lives. Pure, with a clock.

Claude Code may stay after its result, for minutes or for good: something that it started keeps its output open. Sources:
https://github.com/anthropics/claude-code/issues/25629, https://github.com/anthropics/claude-code-action/pull/1084.
It may also hang before it says anything.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from workspace.agent.driver_messages import DriverEvent

LINGER_SECONDS = 5.0
"""How long Claude Code may stay after its result. It needs a tenth of a second to write its transcript and to end."""

SILENT_SECONDS = 60.0
"""How long Claude Code may take to its first message, which comes before its first request to the model.

It takes a second on an idle machine. Its SDK waits for 60 s at the least (`initialize_timeout`)."""


@dataclass
class RunWatch:
    """The watch over one run."""

    linger: float = LINGER_SECONDS
    silence: float = SILENT_SECONDS
    clock: Callable[[], float] = time.monotonic
    heard: bool = False
    """Whether Claude Code has said anything."""
    gave_up: bool = False
    """Whether the run was ended because nothing was said."""
    _began: float = field(init=False)
    _ended: float | None = None

    def __post_init__(self) -> None:
        self._began = self.clock()

    def note(self, event: DriverEvent) -> None:
        """Notes an event of the driver."""
        # The driver itself reports a run that broke off, so an error alone is no word of Claude Code's.
        self.heard = self.heard or event.sitewright_agent != "error"
        if event.final and self._ended is None:
            self._ended = self.clock()

    def is_over(self) -> bool:
        """Tells whether the run has to be ended: its result was said some time ago, or nothing was said for long."""
        if self._ended is not None and not self.gave_up:
            return self.clock() - self._ended > self.linger
        self.gave_up = self.gave_up or (not self.heard and self.clock() - self._began > self.silence)
        return self.gave_up
