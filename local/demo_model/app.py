"""The HTTP surface."""

import asyncio
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from local.demo_model.faults import Faults
from local.demo_model.planner import Call, Say, newest_turn, next_action, working_folder
from local.demo_model.protocol import error, events, message, tokens

REFUSED_KEY = "invalid"


def create_app() -> Starlette:
    """The application, with its own set of faults."""
    faults = Faults()

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def set_fault(request: Request) -> Response:
        faults.add(await request.json())
        return JSONResponse({"ok": True})

    async def count(request: Request) -> Response:
        return JSONResponse({"input_tokens": tokens((await request.json()).get("messages"))})

    async def messages(request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        key = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if key == REFUSED_KEY:
            return JSONResponse(error(401, "invalid x-api-key"), 401)
        turn = newest_turn(body["messages"])
        fault = faults.take(turn.instruction)
        if fault:
            await asyncio.sleep(fault.delay_seconds)
            if fault.status == "nonsense":
                return PlainTextResponse("<html>this is no answer of the Messages API</html>")
            if fault.status == "disconnect":
                raise ConnectionResetError("a fault was asked for")
            if isinstance(fault.status, int):
                return JSONResponse(error(fault.status, "a fault was asked for"), fault.status)
        # Claude Code's side requests (a title for the conversation and the like) offer no tools.
        action: Say | Call = Say("Website edit")
        if any(tool.get("name") in {"Write", "Bash"} for tool in body.get("tools") or []):
            action = next_action(turn, working_folder(body.get("system"), body["messages"]))
        if isinstance(action, Call):
            await asyncio.sleep(action.delay)
        answer = message(action, body.get("model", "demo"), tokens(body["messages"]))
        if body.get("stream"):
            return StreamingResponse(events(answer), media_type="text/event-stream")
        return JSONResponse(answer)

    return Starlette(
        routes=[
            Route("/", health, methods=["GET", "HEAD"]),
            Route("/healthz", health),
            Route("/_faults", set_fault, methods=["POST"]),
            Route("/v1/messages", messages, methods=["POST"]),
            Route("/v1/messages/count_tokens", count, methods=["POST"]),
        ]
    )
