"""A stand-in for GitHub's API on loopback. It checks each JWT as GitHub does, with `cryptography`."""

import base64
import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

APP_ID, SLUG, BOT_ID = "123456", "sitewright-bakery", 987654
OWNER, NAME = "bakery", "site"
INSTALLATION = 77


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey, *, pkcs8: bool = False) -> str:
    kind = serialization.PrivateFormat.PKCS8 if pkcs8 else serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()


@dataclass
class GitHub:
    """The state of the stand-in: one App with one installation."""

    key: rsa.RSAPrivateKey = field(repr=False)
    repositories: set[str] = field(default_factory=lambda: {NAME})
    granted: dict[str, str] = field(default_factory=lambda: {"contents": "write", "metadata": "read"})
    suspended: bool = False
    failures: list[int] = field(default_factory=list)
    """Statuses of the next answers."""
    ahead: float = 0.0
    """How far GitHub's clock is ahead of the machine's, in seconds."""
    lifetime: float = 3600.0
    renamed: str | None = None
    """Where a renamed repository's API is now."""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    minted: list[str] = field(default_factory=list)
    limits: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of the requests for tokens."""
    git: tuple[int, str] | None = None
    """Port and token of the git host behind the stand-in, which takes the minted tokens only."""
    revoked: set[str] = field(default_factory=set)
    late: int = 0
    """How many of the next git requests with a valid token are refused, as when GitHub's servers do not know it yet."""
    jwts: set[str] = field(default_factory=set)
    presented: list[str] = field(default_factory=list)
    """The tokens of git requests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{OWNER}/{NAME}.git"

    def now(self) -> float:
        return time.time() + self.ahead

    def refuses_jwt(self, jwt: str) -> tuple[int, str] | None:
        """GitHub's answers to a wrong JWT, as its users report them."""
        self.jwts.add(jwt)
        try:
            head, claims, signature = jwt.split(".")
            parsed = json.loads(_decode(claims))
            assert json.loads(_decode(head))["alg"] == "RS256"
            if parsed["iss"] != APP_ID:
                return 404, "Integration not found"
            signed = f"{head}.{claims}".encode()
            self.key.public_key().verify(_decode(signature), signed, padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, KeyError, AssertionError, InvalidSignature):
            return 401, "A JSON web token could not be decoded"
        if parsed["iat"] > self.now():
            return (
                401,
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            )
        if parsed["exp"] > self.now() + 600:
            return 401, "'Expiration time' claim ('exp') is too far in the future"
        if parsed["exp"] <= self.now():
            return 401, "'Expiration time' claim ('exp') must be a numeric value representing the future time"
        return None

    def answer(self, method: str, path: str, bearer: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answers one request."""
        if path == f"/api/v3/users/{SLUG}%5Bbot%5D":
            known = bearer in self.minted
            return (200, {"login": f"{SLUG}[bot]", "id": BOT_ID}) if known else (401, {"message": "Bad credentials"})
        refusal = self.refuses_jwt(bearer)
        if refusal is not None:
            return refusal[0], {"message": refusal[1]}
        if method == "GET" and path == f"/api/v3/repos/{OWNER}/{NAME}/installation" and NAME in self.repositories:
            return 200, {"id": INSTALLATION, "app_id": int(APP_ID), "app_slug": SLUG}
        if method == "POST" and path == f"/api/v3/app/installations/{INSTALLATION}/access_tokens":
            return self._token(body)
        return 404, {"message": "Not Found"}

    def _token(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.limits.append(body)
        if self.suspended:
            return 403, {"message": "This installation has been suspended"}
        if not set(body["repositories"]) <= self.repositories:
            return 422, {"message": "There is at least one repository that does not exist or is not accessible"}
        if any(self.granted.get(name) != level for name, level in body["permissions"].items()):
            return 422, {"message": "The permissions requested are not granted to this installation."}
        # The format of 2026: longer than 40 characters, with dots.
        token = f"ghs_{APP_ID}_{len(self.minted)}." + "t0ken" * 60
        self.minted.append(token)
        end = datetime.fromtimestamp(self.now() + self.lifetime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return 201, {"token": token, "expires_at": end, "permissions": body["permissions"]}

    def refuses_git(self, authorization: str) -> bool:
        """Whether a git request gets 401."""
        if not authorization.startswith("Basic "):
            return True
        user, _, token = base64.b64decode(authorization[6:]).decode().partition(":")
        self.presented.append(token)
        if user != "x-access-token" or token not in self.minted or token in self.revoked:
            return True
        self.late -= 1
        return self.late >= 0


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _read_body(request: BaseHTTPRequestHandler) -> bytes:
    if request.headers.get("Transfer-Encoding") != "chunked":
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))
    body = b""
    while size := int(request.rfile.readline(), 16):
        body += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    return body


@contextmanager
def serve_github(github: GitHub) -> Iterator[GitHub]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(github.now() if timestamp is None else timestamp, usegmt=True)

        def do_GET(self) -> None:
            if not self.path.startswith("/api/"):
                self._pass_on()
                return
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            github.asked.append(f"{self.command} {self.path}")
            if github.failures:
                self._send(github.failures.pop(0), {"message": "Server Error"})
            elif github.renamed and self.path.startswith(f"/api/v3/repos/{OWNER}/"):
                self.send_response(301)
                self.send_header("Location", github.renamed)
                self.end_headers()
            else:
                bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                self._send(*github.answer(self.command, self.path, bearer, body))

        do_POST = do_GET

        def _pass_on(self) -> None:
            body = _read_body(self)
            if github.git is None or github.refuses_git(self.headers.get("Authorization") or ""):
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="GitHub"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            port, token = github.git
            kept = ("Content-Type", "Content-Encoding", "Git-Protocol")
            headers = {name: self.headers[name] for name in kept if self.headers[name]}
            headers["Authorization"] = "Basic " + base64.b64encode(f"x:{token}".encode()).decode()
            behind = http.client.HTTPConnection("127.0.0.1", port)
            behind.request(self.command, self.path.removeprefix(f"/{OWNER}"), body, headers)
            answer = behind.getresponse()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
            content = answer.read()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _send(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    github.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield github
    finally:
        server.shutdown()
        server.server_close()
