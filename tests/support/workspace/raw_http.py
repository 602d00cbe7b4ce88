"""Sends raw bytes to a loopback port, as a client does that keeps to no rule."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit


def exchange(url: str, sent: bytes, *, wait: float = 10.0) -> bytes:
    """Returns everything that the server answers until it closes the connection."""
    port = urlsplit(url).port
    answer = b""
    with socket.create_connection(("127.0.0.1", port or 0), timeout=wait) as connection:
        try:
            connection.sendall(sent)
            while piece := connection.recv(65_536):
                answer += piece
        except (ConnectionResetError, BrokenPipeError):
            return answer
    return answer


def post(target: str, token: str | None, body: Any = None, *extra: str) -> bytes:
    """Returns a request's bytes."""
    content = json.dumps(body if body is not None else {"model": "claude-sonnet-4-5", "messages": []}).encode()
    lines = [f"POST {target} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(content)}", *extra]
    if token is not None:
        lines.append(f"x-api-key: {token}")
    return "\r\n".join([*lines, "", ""]).encode() + content


def status(answer: bytes) -> int:
    """Returns the status of an answer's first line; 0 without an answer."""
    return int(answer.split(b" ", 2)[1]) if answer else 0
