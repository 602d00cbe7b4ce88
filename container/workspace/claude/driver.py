"""Runs Claude Code through its SDK, in a process of its own, so that a signal to the group ends all of it."""

import asyncio
import os
import signal
import sys
from typing import Any

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ResultMessage,
    TextBlock,
    ToolUseBlock,
    query,
)

from workspace.claude.protocol import Event, Request

APPEND = (
    "You edit the source of a website in the current folder. Only edit files. Do not commit, push, switch branches or "
    "publish: that is done after you. Nobody can answer questions: decide what is sensible, and say in your last "
    "message, in one or two sentences, what you changed."
)

_RUNNER_ONLY = ("PYTHONPATH",)
"""For this process alone: the agent's tools must not import the runner's modules."""

_DETAIL = ("file_path", "path", "pattern", "command", "url", "description")


def options(request: Request) -> ClaudeAgentOptions:
    """The SDK's options for a request."""
    return ClaudeAgentOptions(
        cwd=os.getcwd(),  # noqa: PTH109 - the SDK takes text as well
        model=request.model,
        max_turns=request.max_turns,
        max_budget_usd=request.max_budget_usd,
        permission_mode="bypassPermissions",
        system_prompt={"type": "preset", "preset": "claude_code", "append": APPEND},
        # None of the repository's: its settings could run hooks.
        setting_sources=[],
        disallowed_tools=["AskUserQuestion", "EnterPlanMode", "ExitPlanMode"],
        resume=request.resume,
        stderr=lambda line: print(line, file=sys.stderr, flush=True),
    )


def main() -> int:
    """Reads the request, runs it, prints events. 0 after a final event, 130 after SIGINT."""
    request = Request.model_validate_json(sys.stdin.read())
    for name in _RUNNER_ONLY:
        os.environ.pop(name, None)
    return asyncio.run(_run(request))


async def _run(request: Request) -> int:
    interrupted = asyncio.Event()
    # The group got the signal, Claude Code too: it writes its transcript and ends, and then so does this.
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


async def _converse(request: Request) -> None:
    spoke, api_error, last = False, None, ""
    final = False
    try:
        async for message in query(prompt=request.prompt, options=options(request)):
            if isinstance(message, AssistantMessage):
                api_error = message.error
                spoke = spoke or not message.error
                for block in message.content:
                    if isinstance(block, ToolUseBlock):
                        _emit(Event(sitewright_agent="tool", text=_describe(block.name, block.input)))
                    elif isinstance(block, TextBlock) and block.text.strip():
                        last = block.text.strip()
                        _emit(Event(sitewright_agent="text", text=last))
            elif isinstance(message, ResultMessage) and not final:
                final = True
                _emit(_result(message, api_error=api_error, spoke=spoke, last=last))
    except Exception as error:
        # The SDK raises bare Exceptions for the CLI's error results; after a final event they tell nothing new.
        if not final:
            _emit(Event(sitewright_agent="error", text=f"{type(error).__name__}: {error}", spoke=spoke))


def _result(message: ResultMessage, *, api_error: str | None, spoke: bool, last: str) -> Event:
    return Event(
        sitewright_agent="result",
        text=(message.result or "; ".join(message.errors or []) or last).strip(),
        subtype=message.subtype,
        is_error=message.is_error,
        api_status=message.api_error_status,
        api_error=api_error,
        conversation_id=message.session_id,
        cost_usd=message.total_cost_usd,
        turns=message.num_turns,
        spoke=spoke,
    )


def _describe(name: str, arguments: dict[str, Any]) -> str:
    detail = next((str(arguments[key]) for key in _DETAIL if arguments.get(key)), "")
    return f"{name} {' '.join(detail.split())[:160]}".strip()


def _emit(event: Event) -> None:
    print(event.to_json(), flush=True)
