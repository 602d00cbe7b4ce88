"""One request of Claude Code: taken, checked, passed on, and its answer handed back while it is metered."""

import hmac
import http.client
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import BinaryIO

from botocore.exceptions import BotoCoreError

from workspace.agent.model_proxy import key_refusals
from workspace.agent.model_proxy.answer_meter import AnswerMeter
from workspace.agent.model_proxy.ledger import Entry, Ledger
from workspace.agent.model_proxy.request_body import asked
from workspace.agent.model_proxy.request_rules import (
    RefusalError,
    Route,
    body_length,
    handed_back,
    passed_on,
    sent_token,
)
from workspace.agent.model_proxy.upstream import Upstream

REQUEST_SECONDS = 30.0
"""The limit for a whole request to arrive. It comes over loopback."""

LEFT_SECONDS = 60.0
"""How long an answer is read on when its client is gone. Its cost comes last, and the model may be paid for all of it."""

_PIECE_BYTES = 64 * 1024
_BODIES_BYTES = 128 * 1024 * 1024
"""The limit of all request bodies in memory at once."""


class CutOffError(Exception):
    """The client is gone, the step has ended, or the budget is far exceeded: the answer is not read to its end."""


@dataclass
class BodyMemory:
    """Counts the bytes of request bodies in memory."""

    used: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, size: int) -> None:
        """Reserves bytes. Raises RefusalError."""
        with self._lock:
            if self.used + size > _BODIES_BYTES:
                raise RefusalError(529, "overloaded_error", "Too many large requests at once.")
            self.used += size

    def give_back(self, size: int) -> None:
        """Frees reserved bytes."""
        with self._lock:
            self.used -= size


@dataclass(eq=False)
class Exchange:
    """A request and its answer. Another thread may abort it."""

    client: socket.socket
    token: bytes
    upstream: Upstream
    ledger: Ledger
    memory: BodyMemory
    deadline: float = field(default_factory=lambda: time.monotonic() + REQUEST_SECONDS)
    aborted: bool = False
    left_at: float | None = None
    """When the client went away from an answer that is read on, by the monotonic clock."""
    _metered: bool = False
    _silent: bool = False
    """Whether the model's API was silent for too long. It may answer later, and be paid for that."""
    _socket: socket.socket | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def answer(
        self, target: str, headers: Message, body: BinaryIO, reply: Callable[[int, Mapping[str, str]], "Reply"]
    ) -> None:
        """Answers a POST. Raises RefusalError before the answer began, CutOffError or OSError after that."""
        if not hmac.compare_digest(sent_token(headers).encode("utf-8", "replace"), self.token):
            raise RefusalError(401, "authentication_error", "The token is not the one of this step.")
        route = self.upstream.route(target)
        size = body_length(headers)
        self.memory.take(size)
        try:
            content = body.read(size)
            if len(content) != size:
                raise CutOffError("the request is incomplete")
            self.deadline = float("inf")
            self._pass_on(route, passed_on(headers), content, reply)
        finally:
            self.memory.give_back(size)

    def abort(self) -> None:
        """Closes both connections. The exchange's thread notices it at its next read or write."""
        with self._lock:
            self.aborted = True
            for open_socket in (self.client, self._socket):
                if open_socket is not None:
                    _shut_down(open_socket)
        self.ledger.look_again()

    def leave(self) -> None:
        """Takes note that the client is gone. A metered answer is read on for LEFT_SECONDS, everything else aborted."""
        if not self._metered:
            self.abort()
        elif self.left_at is None:
            self.left_at = time.monotonic()
        elif time.monotonic() - self.left_at > LEFT_SECONDS:
            self.abort()

    @property
    def has_body(self) -> bool:
        """Whether the request has arrived, with its body."""
        return self.deadline == float("inf")

    @property
    def is_late(self) -> bool:
        """Whether the request did not arrive in time."""
        return time.monotonic() > self.deadline

    @property
    def client_is_gone(self) -> bool:
        """Whether the client closed its connection."""
        poll = select.poll()
        try:
            poll.register(self.client, select.POLLRDHUP)
        except (OSError, ValueError):
            return True
        return bool(poll.poll(0))

    def _pass_on(
        self, route: Route, headers: dict[str, str], body: bytes, reply: Callable[[int, Mapping[str, str]], "Reply"]
    ) -> None:
        if not route.metered:
            self._relay(route, headers, body, reply, None)
            return
        regional = bool(route.model) and not route.model.rpartition("/")[2].startswith("global.")
        request = asked(body, route.model)
        entry = self.ledger.begin(request, len(body), regional=regional, given_up=lambda: self.aborted)
        if entry is None:
            raise CutOffError("the request was given up while it waited")
        complete, self._metered = False, True
        try:
            self._relay(route, headers, body, reply, entry)
            complete = True
        except RefusalError:
            # The model's API did not answer at all.
            complete = not self._silent
            raise
        finally:
            self._metered = False
            self.ledger.close(entry, complete=complete, abandoned=self._silent or self.left_at is not None)

    def _relay(
        self,
        route: Route,
        headers: dict[str, str],
        body: bytes,
        reply: Callable[[int, Mapping[str, str]], "Reply"],
        entry: Entry | None,
    ) -> None:
        try:
            connection = self.upstream.connect()
        except OSError as error:
            raise unreachable(error) from error
        finished = False
        try:
            self._hold(connection.sock)
            answer = self._asked(connection, route, headers, body)
            if answer.status in key_refusals.REFUSED:
                said = answer.read(key_refusals.SAID_BYTES)
                raise self.ledger.refuse_key(self.upstream.explain(answer.status, said))
            out = self._begun(reply, answer)
            meter = entry.meter if entry is not None and answer.status == 200 else None
            if meter is not None:
                meter.start(answer.headers.get("content-type") or "")
            self._copy(answer, out, meter)
            finished = True
        finally:
            with self._lock:
                self._socket = None
            if finished and not answer.will_close and not self.aborted:
                self.upstream.keep(connection)
            else:
                connection.close()

    def _asked(
        self, connection: http.client.HTTPConnection, route: Route, headers: dict[str, str], body: bytes
    ) -> http.client.HTTPResponse:
        try:
            return self.upstream.send(connection, route, headers, body)
        except (OSError, http.client.HTTPException, BotoCoreError) as error:
            if self.aborted:
                raise CutOffError("the request was given up") from error
            self._silent = isinstance(error, TimeoutError)
            raise unreachable(error) from error

    def _copy(self, answer: http.client.HTTPResponse, out: "Reply", meter: AnswerMeter | None) -> None:
        # Python 3.11 does not count what `read1` returned (https://github.com/python/cpython/issues/113199).
        rest = answer.length
        try:
            # Returns what is there: an event must not wait for the next one.
            while piece := answer.read1(_PIECE_BYTES if rest is None else min(rest, _PIECE_BYTES)):
                rest = None if rest is None else rest - len(piece)
                if meter is not None:
                    self._measure(meter, piece)
                self._hand_on(out.write, piece)
        except http.client.HTTPException as error:
            raise CutOffError("the model's API broke off") from error
        if rest or self.aborted:
            # `read1` does not tell the end of a body from its loss.
            raise CutOffError("the model's API broke off")
        answer.close()
        if meter is not None:
            meter.end()
        self._hand_on(out.end)

    def _measure(self, meter: AnswerMeter, piece: bytes) -> None:
        begun = meter.begun
        meter.feed(piece)
        if meter.begun and not begun:
            # The prompt's cost is known, so less is reserved.
            self.ledger.look_again()
        if self.ledger.far_over:
            raise CutOffError("the command's budget is far exceeded")

    def _begun(self, reply: Callable[[int, Mapping[str, str]], "Reply"], answer: http.client.HTTPResponse) -> "Reply":
        headers = handed_back(dict(answer.getheaders()))
        try:
            return reply(answer.status, headers)
        except OSError:
            self._gone()
            return Reply(lambda _: None)

    def _hand_on(self, send: Callable[..., object], *piece: bytes) -> None:
        if self.left_at is None:
            try:
                send(*piece)
            except OSError:
                self._gone()

    def _gone(self) -> None:
        self.leave()
        if self.aborted:
            raise CutOffError("the client is gone")

    def _hold(self, upstream_socket: socket.socket) -> None:
        with self._lock:
            if self.aborted:
                raise CutOffError("the step has ended")
            self._socket = upstream_socket


class Reply:
    """The answer to the client, in chunks: so the client sees whether it is whole."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def write(self, piece: bytes) -> None:
        """Sends the next bytes at once."""
        self._write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def end(self) -> None:
        """Ends the answer."""
        self._write(b"0\r\n\r\n")


def unreachable(error: Exception) -> RefusalError:
    """Returns the answer for a model's API that cannot be reached. Claude Code tries again."""
    reason = str(error) or type(error).__name__
    return RefusalError(502, "api_error", f"The model's API cannot be reached: {reason[:300]}")


def _shut_down(open_socket: socket.socket) -> None:
    try:
        # Not SSLSocket's own method, which is not made for another thread.
        socket.socket.shutdown(open_socket, socket.SHUT_RDWR)
    except OSError:
        return  # Closed already.
