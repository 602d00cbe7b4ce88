"""The attacker is a program of the agent, or of the site's build, that speaks to the proxy."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from workspace.agent.model_proxy import exchange as exchange_module
from workspace.agent.model_proxy.ledger import Ledger
from workspace.agent.model_proxy.proxy import MAX_CONNECTIONS, ModelProxy
from workspace.agent.model_proxy.request_body import asked
from workspace.agent.model_proxy.upstream import anthropic
from workspace.errors import StepFailed
from workspace.steps import agent_step

from sitewright.contracts.error_codes import ErrorCode
from tests.support.workspace.agent_world import world
from tests.support.workspace.fake_model import FakeModel, Reply, fake_model, text, tool
from tests.support.workspace.raw_http import exchange, post, status

KEY = "sk-the-real-key"
MESSAGES = "/v1/messages"


@contextmanager
def proxied(model: FakeModel) -> Iterator[ModelProxy]:
    with ModelProxy(anthropic(KEY, model.url), Ledger(100.0, quiet), quiet) as proxy:
        yield proxy


def quiet(*_: Any, **__: Any) -> None:
    """A log that nobody reads."""


@pytest.fixture
def model() -> Iterator[FakeModel]:
    with fake_model(lambda *_: text("Hello.")) as running:
        yield running


def test_the_model_gets_the_key_and_no_header_of_the_attackers(model: FakeModel) -> None:
    more = ("Cookie: a=b", "Authorization: Bearer evil", "Host: evil.example", "X-Forwarded-Host: evil.example")
    with proxied(model) as proxy:
        answer = exchange(proxy.url, post(MESSAGES, proxy.token, None, *more))
    assert status(answer) == 200 and KEY.encode() not in answer
    sent = {name.lower(): value for name, value in model.headers[0].items()}
    assert sent["x-api-key"] == KEY and sent["host"] == urlsplit(model.url).netloc
    assert proxy.token not in str(sent) and "evil" not in str(sent) and "cookie" not in sent


@pytest.mark.parametrize("token", [None, "", "sk-test", KEY, "é", "x" * 10_000])
def test_without_the_token_of_the_run_nothing_is_passed_on(model: FakeModel, token: str | None) -> None:
    with proxied(model) as proxy:
        assert status(exchange(proxy.url, post(MESSAGES, token))) == 401
    assert model.requests == []


def test_the_token_of_an_earlier_run_opens_nothing(model: FakeModel) -> None:
    with proxied(model) as earlier:
        url, token = earlier.url, earlier.token
    with pytest.raises(OSError):
        exchange(url, post(MESSAGES, token))
    with proxied(model) as later:
        assert status(exchange(later.url, post(MESSAGES, token))) == 401
    assert model.requests == []


def test_a_build_script_with_the_agents_old_token_reaches_no_model(tmp_path: Path) -> None:
    def script(_: dict[str, Any], number: int) -> Reply:
        if number == 0:
            return tool("Bash", {"command": "env > env.txt", "description": "x"})
        return text("Done.")

    attack = (
        "import os,sys,urllib.request as u\n"
        "e=dict(l.rstrip().split('=',1) for l in open('env.txt') if '=' in l)\n"
        "r=u.Request(e['ANTHROPIC_BASE_URL']+'/v1/messages',b'{}',{'x-api-key':e['ANTHROPIC_API_KEY']})\n"
        "try: print(u.urlopen(r,timeout=5).status)\n"
        "except OSError as error: print(type(error).__name__, error)\n"
    )
    with world(tmp_path, script) as (w, model):
        agent_step.run(w.ctx)
        number, site = len(model.requests), w.ctx.paths.site
        # Claude Code's requests have a limit beforehand. Otherwise they would take turns.
        assert not any(asked(json.dumps(request).encode()).open_ended for request in model.requests)
        seen = (site / "env.txt").read_text()
        assert "sk-test-model-key" not in seen and "sitewright-" in seen
        build = subprocess.run([sys.executable, "-c", attack], cwd=site, capture_output=True, text=True, check=True)
        assert "refused" in build.stdout and len(model.requests) == number
        # The key is not in the transcript either.
        assert not [p for p in tmp_path.rglob("*") if p.is_file() and b"sk-test-model-key" in p.read_bytes()]


@pytest.mark.parametrize(
    "target",
    [
        "/v1/models",
        "/v1/files",
        "/v1/messages/batches",
        "/v1/organizations/x/usage_report",
        "/v1/messages/../files",
        "//evil.example/v1/messages",
        "http://evil.example/v1/messages",
        "/v1/messages#x",
    ],
)
def test_another_path_or_host_is_not_passed_on(model: FakeModel, target: str) -> None:
    with proxied(model) as proxy:
        assert status(exchange(proxy.url, post(target, proxy.token))) == 404
    assert model.requests == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT"])
def test_another_method_is_not_passed_on(model: FakeModel, method: str) -> None:
    with proxied(model) as proxy:
        sent = f"{method} {MESSAGES} HTTP/1.1\r\nHost: x\r\nx-api-key: {proxy.token}\r\n\r\n".encode()
        assert status(exchange(proxy.url, sent)) in {404, 501}
    assert model.requests == []


def test_a_tool_whose_cost_cannot_be_metered_is_not_passed_on(model: FakeModel) -> None:
    body = {"model": "claude-sonnet-4-5", "tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}
    with proxied(model) as proxy:
        answer = exchange(proxy.url, post(MESSAGES, proxy.token, body))
        assert status(answer) == 400 and b"code_execution_20250825" in answer
        assert proxy.ledger.requests == 0
    assert model.requests == []


def smuggled(token: str, framing: str) -> bytes:
    hidden = post(MESSAGES, token, {"model": "hidden"})
    head = f"POST {MESSAGES} HTTP/1.1\r\nHost: x\r\nx-api-key: {token}\r\n"
    return (head + framing).encode() + hidden


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\n{}",
        "Content-Length: 2\r\nContent-Length: 200\r\n\r\n{}",
        "Content-Length: 2\r\n\r\n{}",
        "Content-Length: 2\r\nx: y\r\n z\r\n\r\n{}",
        "Content-Length: 0\r\n\r\n",
    ],
)
def test_no_request_hides_in_another_ones_body(model: FakeModel, framing: str) -> None:
    with proxied(model) as proxy:
        answer = exchange(proxy.url, smuggled(proxy.token, framing))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert "hidden" not in str(model.requests) and len(model.requests) <= 1


def test_a_body_of_100_mb_is_refused_with_an_answer(model: FakeModel) -> None:
    with proxied(model) as proxy:
        head = f"POST {MESSAGES} HTTP/1.1\r\nx-api-key: {proxy.token}\r\nContent-Length: 104857600\r\n\r\n".encode()
        answer = exchange(proxy.url, head + b"x" * 104_857_600, wait=30)
        assert status(answer) == 413 and b"request_too_large" in answer
        assert proxy.memory.used == 0
    assert model.requests == []


def test_a_slow_client_is_cut_off_and_holds_nobody_up(model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "REQUEST_SECONDS", 1.0)
    with proxied(model) as proxy:
        port = urlsplit(proxy.url).port or 0
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for number, connection in enumerate(slow):
            connection.sendall(post(MESSAGES, proxy.token)[: 20 + 4 * number])
        began = time.monotonic()
        assert status(exchange(proxy.url, post(MESSAGES, proxy.token))) == 200
        assert time.monotonic() - began < 1.0
        for connection in slow:
            connection.settimeout(5)
            assert drained(connection)
    assert len(model.requests) == 1


def drained(connection: socket.socket) -> bool:
    """Sends a byte now and then until the server closes the connection."""
    with connection:
        try:
            while True:
                connection.sendall(b"x")
                connection.settimeout(0.2)
                try:
                    if connection.recv(1000) == b"":
                        return True
                except TimeoutError:
                    continue
        except OSError:
            return True


def test_more_connections_than_the_limit_are_closed(model: FakeModel) -> None:
    with proxied(model) as proxy:
        port = urlsplit(proxy.url).port or 0
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(MAX_CONNECTIONS)]
        time.sleep(0.3)
        assert exchange(proxy.url, post(MESSAGES, proxy.token)) == b""
        for connection in held:
            connection.close()
        time.sleep(1.0)
        assert status(exchange(proxy.url, post(MESSAGES, proxy.token))) == 200


def test_the_proxy_listens_on_loopback_only(model: FakeModel) -> None:
    with proxied(model) as proxy:
        port = urlsplit(proxy.url).port or 0
        table = Path("/proc/net/tcp").read_text().splitlines()[1:]
        listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
        assert [address for address in listening if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


STEAL = (
    f'{sys.executable} -c "import os,urllib.request as u,json;'
    "u.urlopen(u.Request(os.environ['ANTHROPIC_BASE_URL']+'/v1/messages',"
    "json.dumps({'model':'claude-fable-5','messages':[]}).encode(),"
    "{'x-api-key':os.environ['ANTHROPIC_API_KEY']})).read()\" && echo edit > edit.txt"
)


def stealing(body: dict[str, Any], _: int) -> Reply:
    if body["model"] == "claude-fable-5":
        return text("Stolen.", output_tokens=20_000)
    if "tool_result" in str(body["messages"]):
        return text("Done.")
    return tool("Bash", {"command": STEAL, "description": "x"})


def test_a_programs_requests_with_the_token_count_for_the_command(tmp_path: Path) -> None:
    with world(tmp_path, stealing) as (w, _):
        assert agent_step.run(w.ctx).cost_usd == pytest.approx(1.0 + 0.001, abs=0.01)


def test_they_end_the_command_at_its_budget_at_once_and_the_edit_stays(tmp_path: Path) -> None:
    with world(tmp_path, stealing, max_budget_usd=0.5) as (w, model):
        with pytest.raises(StepFailed) as caught:
            agent_step.run(w.ctx)
        assert caught.value.error.code is ErrorCode.BUDGET_EXCEEDED
        assert caught.value.error.message == "The agent used its whole budget (1.00 USD)."
        assert len(model.requests) == 2 and not any("trying again" in line for line in w.progress)
        assert (w.ctx.paths.site / "edit.txt").read_text() == "edit\n"
        assert w.noted[-1] == pytest.approx(1.0, abs=0.01)
