"""The connections to the model's API: with a key to Anthropic's, or signed to Bedrock's."""

import http.client
import select
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from workspace.agent.model_proxy import key_refusals
from workspace.agent.model_proxy.request_rules import Route, anthropic_route, bedrock_route

ANTHROPIC_URL = "https://api.anthropic.com"

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 600.0
"""Claude Code waits as long for an answer, and gives up a silent stream after 300 s."""

_KEPT_CONNECTIONS = 4

Authorize = Callable[[str, Mapping[str, str], bytes], Mapping[str, str]]
"""`authorize(url, headers, body)` returns the headers to send. May raise botocore's BotoCoreError."""


def bedrock_url(region: str) -> str:
    """Returns the endpoint of Bedrock's runtime in a region."""
    return f"https://bedrock-runtime.{region}.amazonaws.com"


@dataclass
class Upstream:
    """The model's API."""

    url: str
    """Scheme, host, and possibly a path in front of the API's own."""
    route: Callable[[str], Route] = field(repr=False)
    """Returns the route of a request target. Raises RefusalError."""
    authorize: Authorize = field(repr=False)
    explain: Callable[[int, bytes], str] = field(repr=False)
    """Returns the message for a refusal of the key or role, from its status and body."""
    ca_file: str | None = None
    """Trust anchors besides the system's."""
    _idle: list[http.client.HTTPConnection] = field(default_factory=list, repr=False)
    _context: ssl.SSLContext | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def connect(self) -> http.client.HTTPConnection:
        """Returns an open connection. Raises OSError (also ssl.SSLError)."""
        while connection := self._waiting():
            if not _dropped(connection):
                return connection
            connection.close()
        return self._connect()

    def send(
        self, connection: http.client.HTTPConnection, route: Route, headers: Mapping[str, str], body: bytes
    ) -> http.client.HTTPResponse:
        """Sends a request and returns its answer, which no redirect is followed of.

        Raises OSError, http.client.HTTPException, botocore's BotoCoreError.
        """
        parts = urlsplit(self.url)
        target = parts.path.rstrip("/") + route.target
        plain = {**headers, "accept-encoding": "identity", "content-length": str(len(body))}
        signed = self.authorize(f"{parts.scheme}://{parts.netloc}{target}", plain, body)
        connection.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("host", parts.netloc.rpartition("@")[2])
        for name, value in signed.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        return connection.getresponse()

    def keep(self, connection: http.client.HTTPConnection) -> None:
        """Takes back a connection whose answer was read to its end."""
        with self._lock:
            if len(self._idle) < _KEPT_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def warm_up(self) -> None:
        """Opens a connection for the first request, whose handshake takes as long as Claude Code's start."""
        try:
            self.keep(self._connect())
        except OSError:
            return  # The first request reports it.

    def close(self) -> None:
        """Closes the connections that wait."""
        while connection := self._waiting():
            connection.close()

    def _waiting(self) -> http.client.HTTPConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port
        connection = (
            http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=self._tls())
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
        )
        connection.connect()
        connection.sock.settimeout(ANSWER_SECONDS)
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _tls(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = ssl.create_default_context()
                if self.ca_file:
                    self._context.load_verify_locations(self.ca_file)
            return self._context


def anthropic(key: str, url: str | None = None, ca_file: str | None = None) -> Upstream:
    """Returns the Messages API, Anthropic's own or a compatible one, with its key."""

    def authorize(_: str, headers: Mapping[str, str], __: bytes) -> Mapping[str, str]:
        return {**headers, "x-api-key": key}

    return Upstream(url or ANTHROPIC_URL, anthropic_route, authorize, key_refusals.by_anthropic, ca_file)


def bedrock(credentials: Callable[[], ReadOnlyCredentials], region: str, url: str | None = None) -> Upstream:
    """Returns Bedrock's runtime. Each request is signed with the credentials of the moment."""

    def authorize(target: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        # Only these are signed: a proxy on the way may change others.
        request = AWSRequest("POST", target, data=body, headers={"content-type": headers.get("content-type", "")})
        SigV4Auth(credentials(), "bedrock", region).add_auth(request)
        own = {name: value for name, value in headers.items() if not name.startswith(("anthropic-", "x-"))}
        return own | {name.lower(): value for name, value in request.headers.items()}

    return Upstream(url or bedrock_url(region), bedrock_route, authorize, key_refusals.by_bedrock)


def _dropped(connection: http.client.HTTPConnection) -> bool:
    # An idle connection has nothing to read, unless the server closed it.
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN | select.POLLRDHUP)
    return bool(poll.poll(0))
