"""Runs Claude Code through its SDK, in a process of its own.

It needs its own process for two reasons. The SDK gives its whole environment to Claude Code. A signal to the process
group ends the driver, Claude Code and its tools together.
"""

import asyncio
import json
import os
import signal
import sys
from typing import Any

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    Message,
    ProcessError,
    ResultMessage,
    SystemMessage,
    TextBlock,
    ToolUseBlock,
    query,
)

from workspace.agent.driver_messages import DriverEvent, DriverRequest
from workspace.guest.become_guest import become_guest

_DETAIL = ("file_path", "path", "pattern", "command", "url", "description")

_SETTINGS = {"attribution": {"commit": "", "pr": ""}, "includeCoAuthoredBy": False}
"""No attribution of commits to Claude Code: the runner is their author."""

_ANSWERS_NEEDED = ["AskUserQuestion", "EnterPlanMode", "ExitPlanMode"]
"""Tools that wait for a person's answer. No person is there."""

_LATER = ["ScheduleWakeup", "CronCreate", "Monitor"]
"""Tools that need a process after the end of the run."""

_MESSAGE_BYTES = 64 * 1024 * 1024
"""The limit of one message. The SDK's default of 1 MB is too small for a tool result with a picture."""


def options(request: DriverRequest) -> ClaudeAgentOptions:
    """Returns the SDK's options for a request."""
    return ClaudeAgentOptions(
        cwd=request.cwd,
        model=request.model,
        max_turns=request.max_turns,
        max_budget_usd=request.max_budget_usd,
        permission_mode="bypassPermissions",
        system_prompt={"type": "preset", "preset": "claude_code", "append": request.instructions},
        # The repository's settings and MCP servers are not loaded. Their authors could run hooks that read the model
        # key, or set another ANTHROPIC_BASE_URL. The instructions include CLAUDE.md.
        setting_sources=[],
        strict_mcp_config=True,
        settings=json.dumps(_SETTINGS),
        disallowed_tools=[*_ANSWERS_NEEDED, *_LATER],
        # "/clear the footer" must not run a CLI command, and "@/etc/passwd" must not attach a file.
        verbatim_prompts=True,
        resume=request.resume,
        max_buffer_size=_MESSAGE_BYTES,
        stderr=lambda line: print(line, file=sys.stderr, flush=True),
    )


def main() -> int:
    """Reads the request, runs it and prints events.

    Returns 0 after a final event or without a request, 130 after SIGINT.
    """
    asked = sys.stdin.read()
    if not asked:
        # The driver was started early and is not needed, or its runner died.
        return 0
    become_guest(os.environ)
    request = DriverRequest.model_validate_json(asked)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.cwd)
    return asyncio.run(_run(request))


async def _run(request: DriverRequest) -> int:
    interrupted = asyncio.Event()
    # Claude Code is in the same process group and gets the signal too. It writes transcript and result, and ends.
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    work = asyncio.create_task(_converse(request))
    stop = asyncio.create_task(interrupted.wait())
    await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        await asyncio.wait({work}, timeout=3.0)
        return 130
    stop.cancel()
    await work
    return 130 if interrupted.is_set() else 0


async def _converse(request: DriverRequest) -> None:
    conversation = _Conversation()
    try:
        async for message in query(prompt=request.prompt, options=options(request)):
            for event in conversation.take(message):
                print(event.to_json(), flush=True)
    except Exception as error:
        # The SDK raises a bare Exception for the CLI's error results. After a final event it adds nothing.
        if not conversation.ended:
            text = broke_off(error)
            print(DriverEvent(sitewright_agent="error", text=text, spoke=conversation.spoke).to_json(), flush=True)


def broke_off(error: Exception) -> str:
    """Returns the error message for a run without a result. Pure."""
    if isinstance(error, ProcessError) and error.exit_code is not None:
        # The SDK's own text refers to "error output" that it does not contain. That output is in the log.
        return f"Claude Code exited with {error.exit_code} before it came to a result. Its last words are in the run's log."
    return f"Claude Code broke off without a result: {error} ({type(error).__name__})"


class _Conversation:
    """Turns the SDK's messages into events."""

    def __init__(self) -> None:
        self.spoke = False
        self.ended = False
        self._started = False
        self._api_error: str | None = None
        self._last = ""

    def take(self, message: Message) -> list[DriverEvent]:
        first, self._started = not self._started, True
        events = self._events(message)
        return [DriverEvent(sitewright_agent="start"), *events] if first else events

    def _events(self, message: Message) -> list[DriverEvent]:
        if isinstance(message, AssistantMessage):
            self._api_error = message.error
            self.spoke = self.spoke or not message.error
            return [event for block in message.content if (event := self._block(block)) is not None]
        if isinstance(message, SystemMessage) and message.subtype == "api_retry":
            return [DriverEvent(sitewright_agent="retry", text=_retry(message.data))]
        if isinstance(message, ResultMessage) and not self.ended:
            self.ended = True
            return [self._result(message)]
        return []

    def _block(self, block: Any) -> DriverEvent | None:
        if isinstance(block, ToolUseBlock):
            return DriverEvent(sitewright_agent="tool", text=describe(block.name, block.input))
        if isinstance(block, TextBlock) and block.text.strip():
            self._last = block.text.strip()
            return DriverEvent(sitewright_agent="text", text=self._last)
        return None

    def _result(self, message: ResultMessage) -> DriverEvent:
        return DriverEvent(
            sitewright_agent="result",
            text=(message.result or "; ".join(message.errors or []) or self._last).strip(),
            subtype=message.subtype,
            is_error=message.is_error,
            api_status=message.api_error_status,
            api_error=self._api_error,
            conversation_id=message.session_id,
            cost_usd=message.total_cost_usd,
            turns=message.num_turns,
            spoke=self.spoke,
        )


def describe(tool: str, arguments: dict[str, Any]) -> str:
    """Returns a tool call as one line: "Edit src/pages/index.astro"."""
    detail = next((str(arguments[key]) for key in _DETAIL if arguments.get(key)), "")
    detail = detail.removeprefix(f"{os.getcwd()}/")  # noqa: PTH109 - text is wanted
    return f"{tool} {' '.join(detail.split())[:160]}".strip()


def _retry(data: dict[str, Any]) -> str:
    what = data.get("error_status") or data.get("error") or "no answer"
    return f"The model's service refused ({what}), trying again ({data.get('attempt')} of {data.get('max_retries')})"
