"""A scripted S3 endpoint with real connections, for clients that no test double replaces (CRT, TLS).

It stores no objects. It records each request, and answers a PUT or HEAD like S3 or with the test's error.
"""

import base64
import hashlib
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any

ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>As the test &amp; its server say</Message></Error>"
COPIED = "<?xml version='1.0'?>\n\n<CopyObjectResult><ETag>&quot;{}&quot;</ETag></CopyObjectResult>"


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class ScriptedS3Server:
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    answer: Callable[[int, Request], tuple[int, str] | None] = lambda *_: None
    """Returns status and error code for a request and its number, from 1. None: S3's answer of success.

    Status 0 closes the connection without an answer.
    """
    closing: bool = False
    """Whether the server closes each connection after one answer."""

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]


def _handler(s3: ScriptedS3Server, lock: threading.Lock) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            with lock:
                s3.connections += 1

        def do_HEAD(self) -> None:
            _, _, answer = self._scripted(b"")
            if answer is None:
                self._send(200, b"", {})
            elif answer[0]:
                self._send(answer[0], b"", {"Content-Type": "application/xml"})
            else:
                self.close_connection = True

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request, number, answer = self._scripted(body)
            if answer is None and request.headers.get("x-amz-checksum-crc32") not in (None, _crc32(body)):
                answer = 400, "BadDigest"
            if answer is None and "x-amz-copy-source" in request.headers:
                etag = hashlib.md5(request.headers["x-amz-copy-source"].encode()).hexdigest()
                self._send(200, COPIED.format(etag).encode(), {"x-amz-version-id": f"v{number}"})
            elif answer is None:
                etag = hashlib.md5(body).hexdigest()
                self._send(200, b"", {"ETag": f'"{etag}"', "x-amz-version-id": f"v{number}"})
            elif answer[0]:
                self._send(answer[0], ERROR.format(answer[1]).encode(), {"Content-Type": "application/xml"})
            else:
                self.close_connection = True

        def _scripted(self, body: bytes) -> tuple[Request, int, tuple[int, str] | None]:
            request = Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            with lock:
                s3.requests.append(request)
                number = len(s3.requests)
            return request, number, s3.answer(number, request)

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = self.close_connection or s3.closing

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


@contextmanager
def scripted_s3_server(tls: SSLContext | None = None) -> Iterator[ScriptedS3Server]:
    s3 = ScriptedS3Server()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(s3, threading.Lock()))
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    s3.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield s3
    finally:
        server.shutdown()
        server.server_close()
