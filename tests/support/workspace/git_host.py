"""A git host on loopback with token authentication."""

import base64
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOKEN = "ghp_" + "s3cretT0ken" * 3


@dataclass
class GitHost:
    """`git http-backend` behind Basic authentication.

    `answer` replaces it; before it come `failures` answers of 503.
    """

    root: Path
    token: str = TOKEN
    answer: int | None = None
    failures: int = 0
    redirect: str | None = None
    seen: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    on_request: Callable[[], None] = lambda: None
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/site.git"

    def refuses(self, authorization: str | None) -> bool:
        if not authorization or not authorization.startswith("Basic "):
            return True
        return base64.b64decode(authorization[6:]).decode().partition(":")[2] != self.token


@contextmanager
def serve_git(root: Path) -> Iterator[GitHost]:
    host = GitHost(root)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self, status: int) -> None:
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()

        def do_GET(self) -> None:
            host.seen.append(f"{self.command} {self.path}")
            host.on_request()
            body = self._body()
            authorization = self.headers.get("Authorization")
            if authorization:
                host.authorizations.append(authorization)
            if host.redirect:
                self.send_response(302)
                self.send_header("Location", host.redirect + self.path)
                self.end_headers()
                return
            if host.failures > 0:
                host.failures -= 1
                self._answer(503)
                return
            if host.answer is not None:
                self._answer(host.answer)
                return
            if host.refuses(authorization):
                self._answer(401)
                return
            self._backend(body)

        do_POST = do_GET

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _backend(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            env = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(host.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REMOTE_USER": "tester",
            }
            done = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, check=False)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = [line.split(": ", 1) for line in head.decode().split("\r\n") if line]
            status = next((int(v.split()[0]) for k, v in headers if k == "Status"), 200)
            self.send_response(status)
            for key, value in headers:
                if key != "Status":
                    self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
