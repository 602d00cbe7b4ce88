"""A stand-in for Bedrock's runtime on loopback. Checks signatures with botocore, and answers with an event stream."""

import base64
import binascii
import json
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.workspace.fake_model import Script, message_events

KEYS = Credentials("AKIDEXAMPLE", "a-secret-key-of-the-test", "a-session-token")


def framed(payload: dict[str, Any]) -> bytes:
    """Returns one message of an event stream (smithy.io, "Amazon Event Stream Specification")."""
    headers = b"".join(
        struct.pack("!B", len(name)) + name + b"\x07" + struct.pack("!H", len(value)) + value
        for name, value in (
            (b":event-type", b"chunk"),
            (b":content-type", b"application/json"),
            (b":message-type", b"event"),
        )
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + body
    return message + struct.pack("!I", binascii.crc32(message))


@dataclass
class FakeBedrock:
    """The running server, and what it saw."""

    url: str = ""
    region: str = "eu-central-1"
    targets: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    refuses: str = ""
    """Why every request is refused, if it is."""
    refused: list[str] = field(default_factory=list)
    """The reasons of the refusals."""


@contextmanager
def fake_bedrock(script: Script) -> Iterator[FakeBedrock]:
    """Serves the script on a free loopback port until the block ends."""
    seen = FakeBedrock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Logs nothing."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            fault = _fault(self.command, seen.url + self.path, dict(self.headers.items()), body, seen.region)
            if fault := fault or seen.refuses:
                seen.refused.append(fault)
                return self._send(403, "application/json", json.dumps({"message": fault}).encode())
            seen.targets.append(self.path)
            seen.headers.append(dict(self.headers.items()))
            reply = script(json.loads(body), len(seen.targets) - 1)
            events = b"".join(
                framed({"bytes": base64.b64encode(json.dumps({"type": name, **data}).encode()).decode(), "p": "abc"})
                for name, data in message_events(reply, "claude-sonnet-4-5-20250929")
            )
            return self._send(200, "application/vnd.amazon.eventstream", events)

        def _send(self, status: int, content_type: str, value: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(value)))
            self.end_headers()
            self.wfile.write(value)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    seen.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()


def _fault(method: str, url: str, headers: dict[str, str], body: bytes, region: str) -> str:
    given = {name.lower(): value for name, value in headers.items()}
    authorization = given.get("authorization", "")
    if not authorization.startswith("AWS4-HMAC-SHA256 "):
        return f"not signed: {authorization[:10]}"
    parts = dict(part.strip().split("=", 1) for part in authorization.partition(" ")[2].split(","))
    signed = {name: given[name] for name in parts["SignedHeaders"].split(";") if name != "host"}
    request = AWSRequest(method, url, data=body, headers=signed)
    request.context["timestamp"] = given["x-amz-date"]
    auth = SigV4Auth(KEYS, "bedrock", region)
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    if parts["Credential"].split("/")[0] != KEYS.access_key or given.get("x-amz-security-token") != KEYS.token:
        return "other credentials"
    return "" if parts["Signature"] == expected else "SignatureDoesNotMatch"
