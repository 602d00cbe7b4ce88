"""The proxy with clients and a model on loopback: streams, failures, the end of a run."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from workspace.agent.model_proxy import exchange as exchange_module
from workspace.agent.model_proxy import upstream as upstream_module
from workspace.agent.model_proxy.ledger import Ledger
from workspace.agent.model_proxy.proxy import MAX_CONNECTIONS, ModelProxy
from workspace.agent.model_proxy.upstream import anthropic

START = b'data: {"type":"message_start","message":{"model":"claude-opus-5-5","usage":{"input_tokens":100000}}}\n\n'
USD_OF_START = 0.4


@dataclass
class World:
    proxy: ModelProxy
    ended: threading.Event
    """Set when the model notices that its client is gone."""

    def ask(self, target: str = "/v1/messages", **fields: Any) -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", urlsplit(self.proxy.url).port, timeout=10)
        headers = {"x-api-key": self.proxy.token, "content-type": "application/json"}
        connection.request("POST", target, json.dumps({"model": "claude-opus-5-5", "stream": True} | fields), headers)
        return connection


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler, threading.Event], None], limit: float = 10.0) -> Iterator[World]:
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            answer(self, ended)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    api = anthropic("sk-real", f"http://127.0.0.1:{server.server_address[1]}")
    try:
        with ModelProxy(api, Ledger(limit, lambda *_, **__: None), lambda *_, **__: None) as proxy:
            yield World(proxy, ended)
    finally:
        server.shutdown()
        server.server_close()


def begin(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    chunk(handler, START)


def chunk(handler: BaseHTTPRequestHandler, piece: bytes) -> None:
    handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))


def until_gone(handler: BaseHTTPRequestHandler, ended: threading.Event) -> None:
    begin(handler)
    handler.connection.settimeout(10)
    if handler.connection.recv(1) == b"":
        ended.set()


def wait_for(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_an_event_is_passed_on_before_the_next_one() -> None:
    go_on = threading.Event()

    def answer(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
        begin(handler)
        assert go_on.wait(10)
        chunk(handler, b"data: {}\n\n")
        handler.wfile.write(b"0\r\n\r\n")

    with serving(answer) as w:
        response = w.ask().getresponse()
        assert response.read1() == START
        assert w.proxy.ledger.usd == pytest.approx(USD_OF_START)
        go_on.set()
        assert response.read() == b"data: {}\n\n"


@pytest.mark.parametrize("status", [400, 404, 413, 429, 500, 529, 302])
def test_a_refusal_is_passed_on_as_it_is_and_costs_nothing(status: int) -> None:
    def answer(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("retry-after", "7")
        handler.send_header("location", "http://127.0.0.1:9/")
        handler.send_header("set-cookie", "a=b")
        handler.send_header("content-length", "9")
        handler.end_headers()
        handler.wfile.write(b'{"a":"b"}')

    with serving(answer) as w:
        response = w.ask().getresponse()
        assert (response.status, response.read()) == (status, b'{"a":"b"}')
        assert response.headers["retry-after"] == "7"
        assert response.headers["location"] is None and response.headers["set-cookie"] is None
        assert w.proxy.ledger.usd == 0 and not w.proxy.ledger.refused


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_the_key_is_answered_with_a_status_that_is_not_repeated(status: int) -> None:
    def answer(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
        body = json.dumps({"type": "error", "error": {"type": "x", "message": "invalid x-api-key"}}).encode()
        handler.send_response(status)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with serving(answer) as w:
        response = w.ask().getresponse()
        assert response.status == 402
        told = json.loads(response.read())["error"]["message"]
        assert f"({status}): invalid x-api-key." in told and told == w.proxy.ledger.key_refusal
        assert w.proxy.ledger.usd == 0 and not w.proxy.ledger.refused


def test_a_model_that_is_not_there_is_an_error_to_try_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    api = anthropic("sk-real", f"http://127.0.0.1:{port}")
    with ModelProxy(api, Ledger(1, lambda *_, **__: None), lambda *_, **__: None) as proxy:
        response = World(proxy, threading.Event()).ask().getresponse()
        assert response.status == 502 and json.loads(response.read())["error"]["type"] == "api_error"
        assert proxy.ledger.usd == 0


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_an_answer_that_breaks_off_is_not_passed_on_as_whole(framing: str) -> None:
    def answer(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
        if framing == "chunked":
            begin(handler)
        else:
            handler.send_response(200)
            handler.send_header("content-type", "text/event-stream")
            handler.send_header("content-length", "10000")
            handler.end_headers()
            handler.wfile.write(START)
        handler.close_connection = True

    with serving(answer) as w:
        with pytest.raises(IncompleteRead):
            w.ask().getresponse().read()
        wait_for(lambda: w.proxy.ledger.usd == pytest.approx(USD_OF_START))


def test_an_answer_whose_client_goes_away_is_read_to_its_end_for_its_cost() -> None:
    gone, over = threading.Event(), threading.Event()

    def answer(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
        begin(handler)
        assert gone.wait(10)
        for _ in range(20):
            time.sleep(0.02)
            chunk(handler, b"data: {}\n\n")
        chunk(handler, b'data: {"type":"message_delta","usage":{"output_tokens":5000}}\n\n')
        handler.wfile.write(b"0\r\n\r\n")
        over.set()

    with serving(answer) as w:
        response = w.ask().getresponse()
        assert response.read1() == START
        response.close()
        gone.set()
        assert over.wait(10)
        wait_for(lambda: w.proxy.ledger.usd == pytest.approx(USD_OF_START + 0.1))


def test_it_is_not_read_for_ever_and_counts_with_its_most_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "LEFT_SECONDS", 0.3)
    with serving(until_gone) as w:
        response = w.ask(max_tokens=10_000).getresponse()
        assert response.read1() == START
        response.close()
        assert w.ended.wait(5)
        wait_for(lambda: w.proxy.ledger.usd == pytest.approx(USD_OF_START + 0.2))


def test_an_answer_that_never_begins_counts_with_its_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_module, "ANSWER_SECONDS", 0.3)
    silent = threading.Event()
    try:
        with serving(lambda *_: silent.wait(10) or None) as w:
            response = w.ask(max_tokens=10_000, stream=False).getresponse()
            assert response.status == 502 and b"timed out" in response.read()
            assert w.proxy.ledger.usd > 0.2
    finally:
        silent.set()


def test_a_connection_that_cannot_be_accepted_ends_no_others() -> None:
    with serving(until_gone) as w:
        server = w.proxy._server
        accept, failed = server.get_request, threading.Event()

        def once() -> Any:
            accepted = accept()
            if failed.is_set():
                return accepted
            failed.set()
            accepted[0].close()
            raise OSError(24, "Too many open files")

        server.get_request = once  # type: ignore[method-assign]
        for _ in range(2):  # The first is taken by the call that already waits.
            with contextlib.suppress(OSError, HTTPException):
                w.ask().getresponse()
        assert failed.is_set()
        assert w.ask(max_tokens=1).getresponse().read1() == START


def test_a_client_that_goes_away_while_it_waits_is_never_asked_for() -> None:
    with serving(until_gone, limit=0.5) as w:
        response = w.ask().getresponse()
        assert response.read1() == START
        w.ask().close()
        second = w.ask()
        wait_for(lambda: w.proxy.ledger.waiting == 2)
        second.close()
        wait_for(lambda: w.proxy.ledger.waiting == 0)
        assert w.proxy.ledger.requests == 1


def test_48_requests_at_once_exceed_the_budget_by_one_answer_at_most() -> None:
    tokens, lock = 10_000, threading.Lock()
    asked: list[int] = []
    at_once: list[int] = []

    def answer(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
        with lock:
            asked.append(1)
            at_once.append(len(asked))
        time.sleep(0.1)
        with lock:
            asked.pop()
        body = json.dumps({"type": "message", "usage": {"input_tokens": 1, "output_tokens": tokens}}).encode()
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with serving(answer, limit=1.0) as w:
        connections = [w.ask(max_tokens=tokens) for _ in range(MAX_CONNECTIONS)]
        responses = [connection.getresponse() for connection in connections]
        statuses = [response.status for response in responses]
        assert set(statuses) == {200, 402} and statuses.count(200) == len(at_once)
        # An answer costs 0.20 USD, and 0.25 USD are reserved for it.
        assert 1.0 <= w.proxy.ledger.usd < 1.25
        assert 2 <= max(at_once) <= 4


def test_the_end_of_a_run_ends_the_models_work_at_once() -> None:
    with serving(until_gone) as w:
        response = w.ask().getresponse()
        assert response.read1() == START
        began = time.monotonic()
        w.proxy.ledger.close_all(stopped=True)
        w.proxy.close()
        assert time.monotonic() - began < 0.2
        assert w.ended.wait(2) and w.proxy.ledger.usd == pytest.approx(USD_OF_START)
        with pytest.raises(OSError):
            w.ask()


def test_over_its_limit_a_run_gets_no_further_answer() -> None:
    def answer(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
        begin(handler)
        handler.wfile.write(b"0\r\n\r\n")

    with serving(answer, limit=0.5) as w:
        statuses = []
        for _ in range(3):
            response = w.ask().getresponse()
            statuses.append(response.status)
            response.read()
        assert statuses == [200, 200, 402] and w.proxy.ledger.refused


def test_counting_tokens_is_free() -> None:
    def answer(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
        begin(handler)
        handler.wfile.write(b"0\r\n\r\n")

    with serving(answer) as w:
        assert w.ask("/v1/messages/count_tokens?beta=true").getresponse().read() == START
        assert w.proxy.ledger.usd == 0 and w.proxy.ledger.requests == 0
