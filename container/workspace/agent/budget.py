"""The budget of a command. The cost of Claude Code is recorded on the command's item during its run.

So `maxBudgetUsd` limits the whole command, even if a workspace dies and its step is repeated.
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
"""How often the cost is recorded. A crash hides the cost of these seconds."""

LEAST_USD = 0.01
"""Less than this does not even pay for sending the conversation's context."""

_JOIN_SECONDS = 1.0


@dataclass
class CommandBudget:
    """The budget of a command, as one of its steps uses it."""

    ctx: StepContext
    spent_before: float
    """US dollars that earlier steps and earlier attempts of this step spent."""
    spent: float | None = None
    """US dollars that this step spent so far; None before its first run."""
    _recorded: float = field(default=0.0, repr=False)

    @classmethod
    def for_step(cls, ctx: StepContext) -> "CommandBudget":
        """Returns the budget from the command's item, which was read at the step's beginning."""
        return cls(ctx, ctx.command.cost_usd or 0.0)

    @property
    def remaining_usd(self) -> float:
        """Returns the US dollars that the step may still spend."""
        return self.ctx.settings.max_budget_usd - self.spent_before - (self.spent or 0.0)

    def check(self) -> None:
        """Raises StepFailed (BUDGET_EXCEEDED) if earlier steps used up the budget."""
        if self.spent_before > 0 and self.remaining_usd < LEAST_USD:
            message = f"Nothing is left of the command's {self.ctx.settings.max_budget_usd:.2f} USD."
            raise StepFailed(ErrorCode.BUDGET_EXCEEDED, message)

    @contextlib.contextmanager
    def recorded(self, so_far: Callable[[], float]) -> Iterator[None]:
        """Records the cost of one run of Claude Code.

        Records `so_far` every few seconds, and the sum of `add` at the run's end.
        """
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
            # The step's end must not wait for a slow record.
            ended.set()
            raise
        ended.set()
        thread.join(_JOIN_SECONDS)

    def add(self, cost_usd: float) -> None:
        """Adds the cost of an ended run."""
        self.spent = round((self.spent or 0.0) + cost_usd, 6)

    def _record(self, total: float) -> None:
        total = round(total, 6)
        if total <= self._recorded:
            return
        request = self.ctx.request
        try:
            commands = commands_table(self.ctx.aws, self.ctx.settings.commands_table)
            commands.note_spending(request, Decimal(f"{total:.6f}"))
        except (ClientError, BotoCoreError) as error:
            self.ctx.log("what the command costs could not be noted yet", level="warning", error=str(error))
            return
        self._recorded = total
