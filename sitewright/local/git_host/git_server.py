"""git over HTTP: `git http-backend` behind a token, with failure modes on demand."""

import base64
import gzip
import hmac
import json
import os
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from sitewright.local.machine.ports import LOOPBACK

MODES = {"ok", "down", "reject-auth", "reject-push"}


class GitServer(ThreadingHTTPServer):
    """The server's state: where the repositories are, the token, and a mode a client for playing dead."""

    daemon_threads = True

    def __init__(self, port: int, root: Path, token: str) -> None:
        self.root = root
        self.token = token
        self.modes: dict[str, str] = {}
        super().__init__((LOOPBACK, port), Handler)


class Handler(BaseHTTPRequestHandler):
    """One request: the token, the mode, then git's own CGI program."""

    server: GitServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Reads: the list of refs."""
        self._serve(b"")

    def do_POST(self) -> None:
        """Fetch, push and the control of the modes."""
        self._serve(self._body())

    def log_message(self, format: str, *args: object) -> None:
        """No access log: git's headers hold the token."""

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
        return gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body

    def _authorized(self) -> bool:
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            _, _, password = base64.b64decode(value, validate=True).partition(b":")
        except ValueError:  # no base64, or characters outside ASCII
            return False
        return hmac.compare_digest(password, self.server.token.encode())

    def _serve(self, body: bytes) -> None:
        url = urlsplit(self.path)
        if url.path == "/healthz":
            self._answer(200, b"ok")
            return
        client = url.path.strip("/").split("/")[0].removesuffix(".git")
        mode = self.server.modes.get(client, "ok")
        if mode == "down":
            self._answer(503, b"the git host is down")
        elif not self._authorized() or mode == "reject-auth":
            self._answer(401, b"a token is needed", {"WWW-Authenticate": 'Basic realm="git"'})
        elif url.path == "/_control":
            self._control(body)
        elif mode == "reject-push" and "git-receive-pack" in self.path:
            self._answer(403, b"this token may not write")
        else:
            self._backend(url.path, url.query, body)

    def _control(self, body: bytes) -> None:
        order = json.loads(body)
        if order.get("mode") not in MODES:
            self._answer(400, f"mode must be one of {sorted(MODES)}".encode())
            return
        self.server.modes[order["client"]] = order["mode"]
        self._answer(200, b"ok")

    def _backend(self, path: str, query: str, body: bytes) -> None:
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "REMOTE_USER": "sitewright",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], env=env, input=body, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        status, headers = 200, {}
        for line in head.decode("latin-1").split("\r\n"):
            name, _, value = line.partition(": ")
            if name.lower() == "status":
                status = int(value.split()[0])
            elif name:
                headers[name] = value
        if not head:
            status, content = 500, done.stderr
        self._answer(status, content, headers)

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
