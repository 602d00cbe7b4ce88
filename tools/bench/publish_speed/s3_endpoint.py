"""`python -m tools.bench.publish_speed.s3_endpoint MS`: the emulator, which counts requests and their bytes in memory.

It counts here and not in a proxy. A proxy would slow down each tool by its own number of connections.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from sitewright.local.errors import ServiceFailed
from sitewright.local.machine.ports import LOOPBACK, choose_port, choosing
from sitewright.local.machine.service_environment import operator_environment, service_environment
from sitewright.local.machine.service_processes import tail
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home
from sitewright.local.stack.cdk_deploy import REGION
from tools.bench.publish_speed.request_kinds import kind_of

Json = dict[str, Any]
COUNTS = "/_bench/counts"
_PORT = 4690
_START_SECONDS = 40


class Counting:
    """An ASGI application in front of another one. GET of COUNTS returns the requests since the last GET."""

    def __init__(self, app: Callable[..., Awaitable[None]], seconds_later: float = 0.0) -> None:
        self._app = app
        self._seconds_later = seconds_later
        self._requests: Counter[str] = Counter()
        self._bytes = 0

    async def __call__(self, scope: Json, receive: Callable[[], Awaitable[Json]], send: Callable[[Json], Any]) -> None:
        """Counts when a body has come, not when it is announced: a repeated request counts twice."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == COUNTS:
            await self._answer(send)
        else:
            query, names = scope["query_string"].decode("latin-1"), {name.decode() for name, _ in scope["headers"]}
            self._requests[kind_of(scope["method"], scope["path"], query, names)] += 1

            async def receiving() -> Json:
                message = await receive()
                self._bytes += len(message.get("body", b""))
                return message

            await asyncio.sleep(self._seconds_later)
            await self._app(scope, receiving, send)

    async def _answer(self, send: Callable[[Json], Any]) -> None:
        body = json.dumps({"requests": self._requests, "bytes": self._bytes}).encode()
        self._requests, self._bytes = Counter(), 0
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})


class Endpoint:
    """The running endpoint."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}"

    def taken(self) -> Json:
        """`requests` by kind and `bytes` since the last call."""
        found: Json = httpx.get(self.url + COUNTS, timeout=60, trust_env=False).json()
        return found


@contextlib.contextmanager
def endpoint(home: Home, later_ms: int = 0) -> Iterator[Endpoint]:
    """An empty endpoint; gone afterwards. Raises ServiceFailed.

    Args:
        home: where its files are.
        later_ms: by so many milliseconds each request is carried out later, as by a real S3.
    """
    home.create()
    log = home.log / "endpoint.log"
    with choosing():
        port = choose_port(_PORT, ())
        env = {
            **service_environment(home, os.environ),
            **operator_environment(f"http://{LOOPBACK}:{port}", REGION),
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": REGION,
            "S3_DATA_DIR": str(home.emulator / "s3"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": f"unix://{home.emulator}/no-docker.sock",
        }
        with log.open("wb") as output:
            argv = [sys.executable, "-m", "tools.bench.publish_speed.s3_endpoint", str(later_ms)]
            process = subprocess.Popen(argv, env=env, cwd=REPOSITORY_ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            found = Endpoint(port)
            _wait(process, found, log)
        except BaseException:
            process.kill()
            raise
    try:
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", found: Endpoint, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            found.taken()
            return
        time.sleep(0.1)
    raise ServiceFailed("the S3 endpoint", "did not come up", log, tail(log))


def main() -> None:
    """Starts the emulator."""
    from ministack import app as ministack  # type: ignore[import-untyped]  # noqa: PLC0415 - only in this process

    from sitewright.local.emulator.program import main as serve  # noqa: PLC0415 - as above

    # The rest is the emulator's own.
    ministack.app = Counting(ministack.app, int(sys.argv.pop(1)) / 1000)
    serve()


if __name__ == "__main__":
    main()
