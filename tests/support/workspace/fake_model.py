"""A Messages API on loopback for the real Claude Code binary. Streams scripted answers and records every request.

A script is a function of the request's body and number (from 0) that returns a reply: `text(...)`, `tool(...)`,
`failure(...)`, `garbage(...)`, `hang(...)` or a list of content blocks.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An answer of the server: content blocks, an HTTP failure, invalid bytes, or none."""

    blocks: list[dict[str, Any]] = field(default_factory=list)
    stop_reason: str = "end_turn"
    status: int = 200
    error_type: str = ""
    message: str = ""
    raw: bytes | None = None
    wait_seconds: float = 0.0
    output_tokens: int = 10


Script = Callable[[dict[str, Any], int], Reply]


def text(value: str, *, output_tokens: int = 10, wait_seconds: float = 0.0) -> Reply:
    """Returns an assistant's final message."""
    return Reply(blocks=[{"type": "text", "text": value}], output_tokens=output_tokens, wait_seconds=wait_seconds)


def tool(name: str, arguments: dict[str, Any], *, say: str = "", output_tokens: int = 10) -> Reply:
    """Returns a call of one of Claude Code's tools."""
    blocks: list[dict[str, Any]] = [{"type": "text", "text": say}] if say else []
    blocks.append({"type": "tool_use", "id": f"toolu_{time.monotonic_ns()}", "name": name, "input": arguments})
    return Reply(blocks=blocks, stop_reason="tool_use", output_tokens=output_tokens)


def failure(status: int, error_type: str = "api_error", message: str = "it failed") -> Reply:
    """Returns an HTTP error in the API's format."""
    return Reply(status=status, error_type=error_type, message=message)


def garbage(raw: bytes = b"<html>nginx</html>") -> Reply:
    """Returns a 200 whose body is not in the API's format."""
    return Reply(raw=raw)


def hang(seconds: float = 30.0) -> Reply:
    """Returns an answer after a delay in seconds."""
    return text("late", wait_seconds=seconds)


@dataclass
class FakeModel:
    """The running server: its address and the recorded requests."""

    url: str
    requests: list[dict[str, Any]]
    headers: list[dict[str, str]]

    def prompts(self) -> list[str]:
        """Returns all texts of user messages in the last request."""
        found = []
        for message in self.requests[-1]["messages"]:
            if message["role"] != "user":
                continue
            content = message["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            found += [block["text"] for block in blocks if block["type"] == "text"]
        return found


def message_events(reply: Reply, model: str) -> Iterator[tuple[str, dict[str, Any]]]:
    usage = {"input_tokens": 100, "output_tokens": 1, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    message: dict[str, Any] = {
        "id": f"msg_{time.monotonic_ns()}", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    yield "message_start", {"message": message}
    for index, block in enumerate(reply.blocks):
        if block["type"] == "text":
            start: dict[str, Any] = {"type": "text", "text": ""}
            delta: dict[str, Any] = {"type": "text_delta", "text": block["text"]}
        else:
            start = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield "content_block_start", {"index": index, "content_block": start}
        yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    ended = {"stop_reason": reply.stop_reason, "stop_sequence": None}
    yield "message_delta", {"delta": ended, "usage": {"output_tokens": reply.output_tokens}}
    yield "message_stop", {}


@contextmanager
def fake_model(script: Script) -> Iterator[FakeModel]:
    """Serves the script on a free loopback port until the block ends."""
    seen = FakeModel(url="", requests=[], headers=[])
    lock = threading.Lock()
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Logs nothing."""

        def do_HEAD(self) -> None:
            self._json(200, {})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
            if "count_tokens" in self.path:
                return self._json(200, {"input_tokens": 100})
            with lock:
                number = len(seen.requests)
                seen.requests.append(body)
                seen.headers.append(dict(self.headers.items()))
            reply = script(body, number)
            closing.wait(reply.wait_seconds)
            try:
                self._answer(reply, body)
            except (BrokenPipeError, ConnectionResetError):
                return None
            return None

        def _answer(self, reply: Reply, body: dict[str, Any]) -> None:
            if reply.status != 200:
                error = {"type": reply.error_type, "message": reply.message}
                return self._json(reply.status, {"type": "error", "error": error})
            if reply.raw is not None:
                return self._bytes(200, "text/html", reply.raw)
            events = b"".join(
                f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()
                for name, data in message_events(reply, body.get("model", "fake"))
            )
            return self._bytes(200, "text/event-stream", events)

        def _json(self, status: int, value: Any) -> None:
            self._bytes(status, "application/json", json.dumps(value).encode())

        def _bytes(self, status: int, content_type: str, value: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(value)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(value)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    seen.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield seen
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
