"""The proxy's server. It exists during one run of Claude Code only, with a token and a port of its own."""

import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from workspace.agent.model_proxy.exchange import BodyMemory, CutOffError, Exchange, Reply
from workspace.agent.model_proxy.ledger import Ledger
from workspace.agent.model_proxy.request_rules import RefusalError
from workspace.agent.model_proxy.upstream import Upstream

MAX_CONNECTIONS = 48
"""More are closed at once. Claude Code has one a request, with its subagents some ten."""

_CHECK_SECONDS = 0.25
_ACCEPT_AGAIN_SECONDS = 0.05
_SMALL_BYTES = 64 * 1024
_LARGE_BYTES = 256 * 1024 * 1024
_HEALTH = {"/", "/api/hello"}
"""Claude Code may ask these by HEAD at its start. The proxy answers itself."""


class ModelProxy:
    """A server on 127.0.0.1 for one run of Claude Code. A context manager.

    Outside of the block nothing listens, so that neither the build nor a process of a former step can use it.
    """

    def __init__(self, upstream: Upstream, ledger: Ledger, log: Callable[..., None]) -> None:
        self.token = f"sitewright-{secrets.token_urlsafe(32)}"
        self.upstream = upstream
        self.ledger = ledger
        self.memory = BodyMemory()
        self._log = log
        self._exchanges: set[Exchange] = set()
        self._lock = threading.Lock()
        self.closed = threading.Event()
        self._warned: set[int] = set()
        self._server = _Server(self)

    @property
    def url(self) -> str:
        """The base URL for Claude Code."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "ModelProxy":
        for work in (self._server.accept_until_closed, self._watch, self.upstream.warm_up):
            threading.Thread(target=work, name="model-proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all requests under way and the server. Waits for nothing."""
        self.closed.set()
        self._server.stop()
        # First the costs, as they are now.
        self.ledger.close_all()
        with self._lock:
            exchanges = list(self._exchanges)
        for exchange in exchanges:
            exchange.abort()
        self.upstream.close()

    @contextlib.contextmanager
    def exchange(self, client: Any) -> Any:
        """Registers a client's connection. Raises CutOffError when there are too many, or after the end."""
        exchange = Exchange(client, self.token.encode(), self.upstream, self.ledger, self.memory)
        with self._lock:
            if self.closed.is_set() or len(self._exchanges) >= MAX_CONNECTIONS:
                raise CutOffError("too many connections")
            self._exchanges.add(exchange)
        try:
            yield exchange
        finally:
            with self._lock:
                self._exchanges.discard(exchange)

    def refused(self, refusal: RefusalError) -> None:
        """Logs the first refusal of each kind."""
        if refusal.status not in self._warned:
            self._warned.add(refusal.status)
            self._log(
                "the model proxy refused a request", level="warning", status=refusal.status, reason=refusal.message
            )

    def _watch(self) -> None:
        while not self.closed.wait(_CHECK_SECONDS):
            with self._lock:
                exchanges = list(self._exchanges)
            for exchange in exchanges:
                if exchange.is_late:
                    exchange.abort()
                elif exchange.client_is_gone:
                    exchange.leave()


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, proxy: ModelProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def accept_until_closed(self) -> None:
        """Accepts connections. `serve_forever` would need a poll, or half a second to end."""
        while not self.proxy.closed.is_set():
            try:
                request, address = self.get_request()
            except OSError:
                # The end, or no file descriptor is left at the moment.
                self.proxy.closed.wait(_ACCEPT_AGAIN_SECONDS)
                continue
            try:
                self.process_request(request, address)
            except RuntimeError:
                # No thread is left at the moment.
                self.shutdown_request(request)

    def stop(self) -> None:
        """Wakes `accept_until_closed`, and closes the port."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Prints nothing: the client is gone, or the step has ended."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    answered = False

    def handle(self) -> None:
        """Serves one request a connection, so no request can hide in another one's body."""
        with self.server.proxy.exchange(self.connection) as self.exchange:
            self.handle_one_request()

    def do_POST(self) -> None:
        try:
            if self.request_version != "HTTP/1.1":
                raise RefusalError(505, "invalid_request_error", "Only HTTP/1.1 is spoken here.")
            self.exchange.answer(self.path, self.headers, self.rfile, self._reply)
        except RefusalError as refusal:
            self._refuse(refusal)

    def do_GET(self) -> None:
        self._refuse(RefusalError(404, "not_found_error", "Only the Messages API is reachable here."))

    def do_HEAD(self) -> None:
        self._start(200 if self.path in _HEALTH else 404, {"content-length": "0"})

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: targets are the client's text."""

    def version_string(self) -> str:
        return "sitewright"

    def _reply(self, status: int, headers: Mapping[str, str]) -> Reply:
        self._start(status, {**headers, "transfer-encoding": "chunked"})
        return Reply(self.wfile.write)

    def _refuse(self, refusal: RefusalError) -> None:
        self.server.proxy.refused(refusal)
        if self.answered:
            return
        body = refusal.body()
        self._start(refusal.status, {"content-type": "application/json", "content-length": str(len(body))})
        self.wfile.write(body)
        if not self.exchange.has_body:
            self._discard(_LARGE_BYTES if refusal.status == 413 else _SMALL_BYTES)

    def _discard(self, most: int) -> None:
        # A connection that is closed with unread bytes is reset, and the client may lose the answer.
        self.connection.shutdown(socket.SHUT_WR)
        while most > 0 and (piece := self.connection.recv(_SMALL_BYTES)):
            most -= len(piece)

    def _start(self, status: int, headers: Mapping[str, str]) -> None:
        self.answered = True
        self.send_response(status)
        for name, value in {**headers, "connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
