"""A workspace's AWS clients, configured by its environment."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from workspace.system.aws_clients import EXPECT_BYTES, Clients

from sitewright.publishing.dist_files import scan
from tests.support.publishing.scripted_s3_server import ScriptedS3Server, scripted_s3_server

BUCKET = "edit.amelia.example.com"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedS3Server]:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with scripted_s3_server() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


@pytest.fixture
def key_in_environment(s3: ScriptedS3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture
def task_role(s3: ScriptedS3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = {"AccessKeyId": "ROLE", "SecretAccessKey": "x", "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}
            body = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{server.server_port}/role")
    # Botocore reads the user's files first.
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    yield
    server.shutdown()
    server.server_close()


def put(clients: Clients, root: Path) -> None:
    (root / "a.html").write_text("<html></html>")
    assert clients.small_objects is not None
    clients.small_objects.put(BUCKET, scan(root)[0])


@pytest.mark.usefixtures("key_in_environment")
def test_files_are_put_at_the_endpoint_with_the_key_of_the_environment(s3: ScriptedS3Server, tmp_path: Path) -> None:
    clients = Clients()
    put(clients, tmp_path)
    put(clients, tmp_path)
    assert s3.connections == 1
    assert "Credential=ENV/" in s3.requests[0].headers["authorization"]
    assert "/eu-west-1/s3/" in s3.requests[0].headers["authorization"]


@pytest.mark.usefixtures("task_role")
def test_files_are_put_with_the_task_role(s3: ScriptedS3Server, tmp_path: Path) -> None:
    put(Clients(), tmp_path)
    assert "Credential=ROLE/" in s3.requests[0].headers["authorization"]
    assert s3.requests[0].headers["x-amz-security-token"] == "t"


@pytest.mark.usefixtures("key_in_environment")
def test_only_a_large_body_waits_for_100_continue(s3: ScriptedS3Server, tmp_path: Path) -> None:
    client = Clients().s3
    for size in (0, EXPECT_BYTES - 1, EXPECT_BYTES):
        path = tmp_path / str(size)
        path.write_bytes(b"x" * size)
        with path.open("rb") as body:
            client.put_object(Bucket=BUCKET, Key="file", Body=body)
        client.put_object(Bucket=BUCKET, Key="bytes", Body=b"x" * size)
    assert ["expect" in request.headers for request in s3.requests] == [False] * 4 + [True] * 2
    assert [len(request.body) for request in s3.requests[::2]] == [0, EXPECT_BYTES - 1, EXPECT_BYTES]


@pytest.mark.usefixtures("key_in_environment")
def test_a_client_is_made_once() -> None:
    clients = Clients(boto3.Session())
    assert clients.s3 is clients.s3
    assert clients.small_objects is clients.small_objects
