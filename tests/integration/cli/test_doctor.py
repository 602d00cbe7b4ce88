"""`sitewright doctor`, with git host and model on loopback, and AWS in moto."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from sitewright.cli.doctor import http_probe
from sitewright.cli.doctor.findings import Finding
from sitewright.cli.main import app
from sitewright.contracts.names import secret_parameter
from sitewright.local.errors import LocalError

REGION = "eu-central-1"


class Hosts(BaseHTTPRequestHandler):
    """A git host that lets the token push, and a model API that refuses the key."""

    def do_GET(self) -> None:
        status, kind = 404, "text/plain"
        if self.path == "/site.git/info/refs?service=git-receive-pack":
            granted = (
                self.headers["Authorization"] == "Basic eC1hY2Nlc3MtdG9rZW46Z2xwYXQtYWJj"
            )  # x-access-token:glpat-abc
            status, kind = (200, "application/x-git-receive-pack-advertisement") if granted else (401, "text/plain")
        elif self.path == "/v1/models?limit=1":
            status = 401
        elif self.path == "/moved":
            status = 301
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Location", "/site.git")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hosts)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def cdk_json(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """cdk.json of one site, whose secrets are in the mocked account. moto has no quotas."""
    monkeypatch.setattr("sitewright.cli.doctor.doctor.quota_findings", lambda *_: list[Finding]())
    monkeypatch.setattr("sitewright.cli.doctor.dns_check.lookup", lambda *_: [])
    site = {"clientId": "amelia", "repository": f"{address}/site.git", "modelBaseUrl": address}
    file = tmp_path / "cdk.json"
    file.write_text(json.dumps({"context": {"region": REGION, "sites": [site]}}))
    with mock_aws():
        ssm = boto3.client("ssm", REGION)
        for name, value in (("git-token", "glpat-abc"), ("model-key", "sk-ant-wrong")):
            ssm.put_parameter(Name=secret_parameter("amelia", name), Value=value, Type="SecureString")
        yield file


def test_every_finding_is_a_line_and_a_failure_is_exit_code_1(cdk_json: Path, address: str) -> None:
    done = CliRunner().invoke(app, ["doctor", "--aws", "--app", str(cdk_json)])
    assert done.exit_code == 1, done.output
    lines = done.stdout.splitlines()
    assert f"ok           amelia: git token: may push to {address}/site.git." in lines
    refused = f"failed       amelia: model: {address} refuses the key (401). It is wrong or revoked: store a new one."
    assert refused in lines
    assert "sk-ant-wrong" not in done.output


def test_json_has_every_finding(cdk_json: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--aws", "--app", str(cdk_json), "--json"])
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert found["bootstrap"]["status"] == "failed"
    assert found["public buckets"]["status"] == "ok"
    assert found["model"] == {
        "check": "model",
        "status": "failed",
        "subject": "amelia",
        "message": found["model"]["message"],
        "remedy": "It is wrong or revoked: store a new one.",
    }


def test_a_wrong_cdk_json_is_told(tmp_path: Path) -> None:
    region = {"sites": [{"clientId": "a", "repository": "https://github.com/a/b.git"}], "region": 5}
    files = {"cdk.json": "{", "none.json": '{"context": null}', "region.json": json.dumps({"context": region})}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    for file in (*files, "missing.json"):
        done = CliRunner().invoke(app, ["doctor", "--aws", "--app", str(tmp_path / file)])
        assert isinstance(done.exception, LocalError), done.output


def test_without_aws_the_machine_and_the_local_stack_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITEWRIGHT_HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0, done.output
    assert "warning      local stack: No local stack is running. Start it with `sitewright up`." in done.stdout


def test_a_redirect_is_not_followed(address: str) -> None:
    assert http_probe.get(f"{address}/moved", {}).status == 301


def test_a_host_that_does_not_answer_is_named() -> None:
    with pytest.raises(http_probe.NoAnswer, match=r"127\.0\.0\.1:9 does not answer"):
        http_probe.get("http://127.0.0.1:9/", {"Authorization": "Basic c2VjcmV0"})
