"""The HTTP surface."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from sitewright.local.demo_model.edit_planner import Progress, Reply, ToolCall, next_action, progress_of, working_folder
from sitewright.local.demo_model.messages_api import error, events, message, tokens
from sitewright.local.demo_model.model_faults import Fault, Faults

REFUSED_KEY = "invalid"
KEPT = 100
_TEXT = 300

Json = dict[str, Any]


class _Model:
    """The server's memory: the faults, the recorded answers, and the count of headings that it has worded."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.requests: deque[Json] = deque(maxlen=KEPT)
        self.headings = 0

    async def health(self, _: Request) -> Response:
        return PlainTextResponse("ok")

    async def list_requests(self, _: Request) -> Response:
        """The newest requests, newest last: how each was understood and answered; neither headers nor keys."""
        return JSONResponse(list(self.requests))

    async def list_faults(self, _: Request) -> Response:
        return JSONResponse(self.faults.list())

    async def set_fault(self, request: Request) -> Response:
        try:
            self.faults.add(await request.json())
        except (KeyError, TypeError, ValueError) as problem:
            return JSONResponse(error(400, f"no fault: {problem!r}"), 400)
        return JSONResponse({"ok": True})

    async def count(self, request: Request) -> Response:
        return JSONResponse({"input_tokens": tokens((await request.json()).get("messages"))})

    async def messages(self, request: Request) -> Response:
        body: Json = await request.json()
        turn = progress_of(body["messages"])
        note: Json = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "model": body.get("model"),
            "stream": bool(body.get("stream")),
            "messages": len(body["messages"]),
            "tools": len(body.get("tools") or []),
            "instruction": turn.instruction.strip()[:_TEXT],
            "calls": len(turn.calls),
            "status": 200,
        }
        self.requests.append(note)
        key = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if key == REFUSED_KEY:
            note["status"] = 401
            return JSONResponse(error(401, "invalid x-api-key"), 401)
        fault = self.faults.take(turn.instruction)
        if fault:
            note["fault"] = fault.status or f"{fault.delay_seconds:g} s"
            await asyncio.sleep(fault.delay_seconds)
            if refusal := _refusal(fault):
                note["status"] = refusal.status_code
                return refusal
        began = time.monotonic()
        # Claude Code's side requests (a title for the conversation and the like) offer no tools.
        action: Reply | ToolCall = Reply("Website edit")
        if any(tool.get("name") in {"Write", "Bash"} for tool in body.get("tools") or []):
            action = self._next(turn, working_folder(body.get("system"), body["messages"]))
        if isinstance(action, ToolCall):
            note["answer"] = f"{action.tool} {next(iter(action.arguments.values()), '')}"[:_TEXT]
            await asyncio.sleep(action.delay)
        else:
            note["answer"] = action.text[:_TEXT]
        note["seconds"] = round(time.monotonic() - began, 3)
        answer = message(action, body.get("model", "demo"), tokens(body["messages"]))
        if body.get("stream"):
            return StreamingResponse(events(answer), media_type="text/event-stream")
        return JSONResponse(answer)

    def _next(self, turn: Progress, folder: str) -> Reply | ToolCall:
        action = next_action(turn, folder, date.today(), self.headings)
        # Not a new conversation's first heading once more: the site would be the one that is live.
        self.headings += isinstance(action, ToolCall) and action.tool == "Write" and bool(turn.calls)
        return action


def _refusal(fault: Fault) -> Response | None:
    if fault.status == "nonsense":
        return PlainTextResponse("<html>this is no answer of the Messages API</html>")
    if fault.status == "disconnect":
        return StreamingResponse(_cut_off(), media_type="text/event-stream")
    if isinstance(fault.status, int):
        return JSONResponse(error(fault.status, "a fault was asked for"), fault.status)
    return None


def _cut_off() -> Iterator[str]:
    yield next(events(message(Reply(""), "demo", 1)))
    raise ConnectionResetError("a fault was asked for")


def create_app() -> Starlette:
    """The application, with its own set of faults."""
    model = _Model()
    return Starlette(
        routes=[
            Route("/", model.health, methods=["GET", "HEAD"]),
            Route("/healthz", model.health),
            Route("/_faults", model.list_faults, methods=["GET"]),
            Route("/_faults", model.set_fault, methods=["POST"]),
            Route("/_requests", model.list_requests, methods=["GET"]),
            Route("/v1/messages", model.messages, methods=["POST"]),
            Route("/v1/messages/count_tokens", model.count, methods=["POST"]),
        ]
    )
