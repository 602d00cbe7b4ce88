"""`python -m tools.cost.call_counter`: the emulator, with a line in a file for each request and each Lambda invocation.

It counts inside the emulator, because the functions call the emulator directly.
"""

import json
import os
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ministack import app as ministack  # type: ignore[import-untyped]
from ministack.services import lambda_svc  # type: ignore[import-untyped]

from sitewright.local.emulator.program import main as serve
from tools.cost.billed_calls import CALLS_FILE_VARIABLE, classify

Json = dict[str, Any]


class Counter:
    """The file. Lambda runs in threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def note(self, **line: Any) -> None:
        """Appends a line."""
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": time.time(), **line}) + "\n")


def counted(app: Callable[..., Awaitable[None]], counter: Counter) -> Callable[..., Awaitable[None]]:
    """Returns the ASGI application with its requests counted."""

    async def wrapped(scope: Json, receive: Callable[[], Awaitable[Json]], send: Callable[[Json], Any]) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        request, response = bytearray(), bytearray()

        async def receiving() -> Json:
            message = await receive()
            request.extend(message.get("body", b""))
            return message

        async def sending(message: Json) -> None:
            response.extend(message.get("body", b""))
            await send(message)

        await app(scope, receiving, sending)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        method, path = scope["method"], scope["path"]
        for call in classify(method, path, query, headers, request=bytes(request), response=bytes(response)):
            counter.note(kind="call", **asdict(call))

    return wrapped


def timed(execute: Callable[[Json, Json], Json], counter: Counter) -> Callable[[Json, Json], Json]:
    """Returns the Lambda executor with its invocations timed."""

    def wrapped(func: Json, event: Json) -> Json:
        began = time.monotonic()
        try:
            return execute(func, event)
        finally:
            config = func.get("config") or func
            counter.note(
                kind="lambda",
                function=config.get("FunctionName", ""),
                seconds=time.monotonic() - began,
                gb=config.get("MemorySize", 128) / 1024,
            )

    return wrapped


def main() -> None:
    """Starts the emulator."""
    counter = Counter(Path(os.environ[CALLS_FILE_VARIABLE]))
    ministack.app = counted(ministack.app, counter)
    lambda_svc._execute_function = timed(lambda_svc._execute_function, counter)
    serve()


if __name__ == "__main__":
    main()
