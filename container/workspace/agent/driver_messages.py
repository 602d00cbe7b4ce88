"""The messages between the step `agent` and the driver: one request, then events, each one line of JSON."""

from typing import Literal

from pydantic import Field, ValidationError

from sitewright.contracts.base import Contract


class DriverRequest(Contract):
    """The request to Claude Code."""

    prompt: str
    """The model gets it unchanged: no slash commands, no @file mentions."""
    instructions: str = ""
    """Appended to Claude Code's own system prompt."""
    model: str | None = None
    resume: str | None = None
    """The id of the conversation to resume; None for a new one."""
    max_turns: int
    max_budget_usd: float
    cwd: str
    """The checkout."""
    environment: dict[str, str] = Field(repr=False)
    """The whole environment of Claude Code. The driver is started before the step, without this environment."""


class DriverEvent(Contract):
    """One line of the driver's output."""

    sitewright_agent: Literal["start", "tool", "text", "retry", "result", "error"]
    """`start`: Claude Code said its first message. `result` and `error` are final: its result, or a run without one."""
    text: str = ""
    """The tool call (`tool`), the retry (`retry`), the model's text (`text`), or the summary or error of a final
    event."""
    subtype: str = ""
    """The result's subtype: success, error_max_turns, error_max_budget_usd, error_during_execution."""
    is_error: bool = False
    api_status: int | None = None
    """HTTP status of the model API's last refusal."""
    api_error: str | None = None
    """The SDK's name of that refusal: rate_limit, authentication_failed, server_error, ..."""
    conversation_id: str | None = None
    cost_usd: float | None = None
    """From the driver: the cost of the whole conversation, because Claude Code restores its counter with the transcript.
    The step replaces it by what the model proxy metered."""
    turns: int | None = None
    spoke: bool = False
    """The model answered at least once."""

    @property
    def final(self) -> bool:
        """Whether this is the last event."""
        return self.sitewright_agent in {"result", "error"}


def parse(line: str) -> DriverEvent | None:
    """Returns the event in a line of output; None for any other line (stderr goes to the same pipe)."""
    if not line.startswith("{"):
        return None
    try:
        return DriverEvent.model_validate_json(line)
    except ValidationError:
        return None
