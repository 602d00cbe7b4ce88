"""A loopback proxy that breaks requests to an S3 endpoint by a plan.

The proxy forwards only complete requests, because S3 executes no partial request. Before that it calls the plan in the
connection's own thread. A plan that blocks delays the request. A plan that kills the sender does so at exactly this
request.
"""

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sitewright.local.machine.ports import LOOPBACK
from tools.bench.publish_speed.request_kinds import kind_of


class Fault(StrEnum):
    """The fate of a request. The last three are executed, but the sender cannot know that."""

    NONE = "none"
    ERROR = "500"
    SLOW_DOWN = "503"
    DENIED = "403"
    RESET = "reset before"
    IN_BODY = "200 with an error in the body"
    LOST_ERROR = "500, carried out"
    LOST_RESET = "reset, carried out"
    CUT = "half of the answer"


@dataclass(frozen=True)
class Request:
    """One received request."""

    number: int
    """Its number from 1, in the order of arrival since the plan was set."""
    kind: str
    """GET, PUT, COPY, LIST, DELETE and so on; see `tools.bench.publish_speed.request_kinds`."""
    path: str


Plan = Callable[[Request], Fault]


Answer = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers, body."""


def _refusal(status: int, code: str) -> Answer:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return status, [("Content-Type", "application/xml")], text.encode()


_REFUSALS = {
    Fault.ERROR: _refusal(500, "InternalError"),
    Fault.SLOW_DOWN: _refusal(503, "SlowDown"),
    Fault.DENIED: _refusal(403, "AccessDenied"),
    Fault.IN_BODY: _refusal(200, "InternalError"),
}


class Proxy:
    """The running proxy."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.seen: list[Request] = []
        self.faults: Counter[Fault] = Counter()
        self._plan: Plan = lambda _: Fault.NONE
        self._broken: BaseException | None = None
        self._lock = threading.Lock()
        self._server = _Server(self)
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def set_plan(self, plan: Plan) -> None:
        """Sets the plan from now on, and numbers requests from 1 again."""
        with self._lock:
            self._plan, self.seen, self.faults = plan, [], Counter()

    def decide(self, kind: str, path: str) -> Fault:
        """Returns the fate of the next request."""
        with self._lock:
            request, plan = Request(len(self.seen) + 1, kind, path), self._plan
            self.seen.append(request)
        try:
            fault = plan(request)
        except BaseException as error:
            self._broken = self._broken or error  # raised by `settle`, in the test's own thread
            fault = Fault.NONE
        with self._lock:
            self.faults[fault] += 1
        return fault

    def settle(self, seconds: float = 10) -> None:
        """Waits for all requests of ended senders. Raises the plan's exception."""
        end = time.monotonic() + seconds
        while self._server.open:
            assert time.monotonic() < end, "requests are still on their way"
            time.sleep(0.002)
        if self._broken is not None:
            raise self._broken

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.open = 0
        self._count = threading.Lock()
        super().__init__((LOOPBACK, 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._count:
            self.open += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        # Skips the base class's shutdown, which would send a FIN before the reset.
        self.close_request(request)
        with self._count:
            self.open -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores the errors of killed senders."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        pass

    def _do(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        assert "Transfer-Encoding" not in self.headers, "the proxy forwards bodies of a known length only"
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        path, _, query = self.path.partition("?")
        kind = kind_of(self.command, path, query, {name.lower() for name in self.headers})
        fault = self.server.proxy.decide(kind, path)
        if fault in _REFUSALS:
            self._send(*_REFUSALS[fault])
        elif fault is Fault.RESET:
            self._reset()
        else:
            answer = self._forward(body)
            if fault is Fault.LOST_ERROR:
                self._send(*_REFUSALS[Fault.ERROR])
            elif fault is Fault.LOST_RESET:
                self._reset()
            else:
                self._send(*answer, cut=fault is Fault.CUT)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _do

    def _forward(self, body: bytes) -> Answer:
        upstream = http.client.HTTPConnection(LOOPBACK, self.server.proxy.upstream, timeout=60)
        with contextlib.closing(upstream):
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in {"expect", "connection"}:
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        length = str(len(body))
        for name, value in headers:
            if name.lower() == "content-length":
                length = value  # of a HEAD, which is answered without a body
            elif name.lower() not in {"transfer-encoding", "connection"}:
                self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", length)
        if not any(name.lower() == "date" for name, _ in headers):
            self.send_header("Date", self.date_time_string())
        if cut:
            # Without a body the headers are cut.
            half = b"".join(self._headers_buffer)  # type: ignore[attr-defined]
            self._headers_buffer: list[bytes] = []
            self.wfile.write(half + b"\r\n" + body[: len(body) // 2] if len(body) > 1 else half[: len(half) // 2])
            self._reset()
            return
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
