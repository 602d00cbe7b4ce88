"""What Claude Code spends on a command is noted on the command's item while it is spent.

A workspace that dies takes the result of its step with it, and the step is repeated: `maxBudgetUsd` is the command's,
whatever became of its tries.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.error_codes import ErrorCode
from workspace.claim.session import commands_table
from workspace.errors import StepFailed
from workspace.step_context import StepContext

EVERY_SECONDS = 5.0
"""So often it is noted, if it grew: what a death hides is what these seconds and the request under way cost."""

LEAST_USD = 0.01
"""Below this not even the conversation's own context can be sent."""

_JOIN_SECONDS = 1.0


@dataclass
class CommandBudget:
    """The money of one command, for one step of it."""

    ctx: StepContext
    spent_before: float
    """US dollars that earlier steps took, and earlier tries of this one."""
    spent: float | None = None
    """US dollars of this step, as far as they are known; None if nothing is."""
    _recorded: float = field(default=0.0, repr=False)

    @classmethod
    def for_step(cls, ctx: StepContext) -> "CommandBudget":
        """Of the step's command, as its item was read when the step began."""
        return cls(ctx, ctx.command.cost_usd or 0.0)

    @property
    def remaining_usd(self) -> float:
        """US dollars."""
        return self.ctx.settings.max_budget_usd - self.spent_before - (self.spent or 0.0)

    def check(self) -> None:
        """Raises StepFailed (BUDGET_EXCEEDED) if the command has used up what it had before this step began."""
        if self.spent_before > 0 and self.remaining_usd < LEAST_USD:
            message = f"Nothing is left of the command's {self.ctx.settings.max_budget_usd:.2f} USD."
            raise StepFailed(ErrorCode.BUDGET_EXCEEDED, message)

    @contextlib.contextmanager
    def recorded(self, so_far: Callable[[], float]) -> Iterator[None]:
        """Notes what one run of Claude Code costs, all the time and at its end, when `add` has been told the whole."""
        earlier, ended = self.spent or 0.0, threading.Event()

        def note() -> None:
            while not ended.wait(EVERY_SECONDS):
                self._record(self.spent_before + earlier + so_far())
            self._record(self.spent_before + (self.spent or 0.0))

        thread = threading.Thread(target=note, name="spending", daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            # What ends the step waits for no note.
            ended.set()
            raise
        ended.set()
        thread.join(_JOIN_SECONDS)

    def add(self, cost_usd: float | None) -> None:
        """Books a run that ended; None if nothing of its cost is known."""
        if cost_usd is not None:
            self.spent = (self.spent or 0.0) + cost_usd

    def _record(self, total: float) -> None:
        total = round(total, 6)
        if total <= self._recorded:
            return
        request = self.ctx.request
        try:
            commands = commands_table(self.ctx.aws, self.ctx.settings.commands_table)
            commands.note_spending(request.session_id, request.command_id, Decimal(f"{total:.6f}"))
        except (ClientError, BotoCoreError) as error:
            self.ctx.log("what the command costs could not be noted yet", level="warning", error=str(error))
            return
        self._recorded = total
