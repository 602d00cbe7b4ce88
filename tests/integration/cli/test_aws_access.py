"""The client that copies the objects of a rollback uses the same endpoint and credentials as the other clients."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sitewright.cli.aws_access import Access, _ca_bundle
from sitewright.publishing.site_files import StoredFile
from tests.support.publishing.scripted_s3_server import ScriptedS3Server, scripted_s3_server

FILE = StoredFile("a.html", "v0", "0" * 32, 10, "text/html", "max-age=0")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedS3Server]:
    for name in ("AWS_PROFILE", "AWS_CA_BUNDLE", "NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with scripted_s3_server() as server:
        yield server


def test_copies_go_to_the_users_endpoint_with_the_users_profile(
    s3: ScriptedS3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    file.write_text("[profile shop]\nregion = eu-west-3\naws_access_key_id = SHOP\naws_secret_access_key = x\n")
    for name, value in {"AWS_CONFIG_FILE": str(file), "AWS_PROFILE": "shop", "AWS_ENDPOINT_URL_S3": s3.url}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    access = Access.aws(None)

    assert access.small_objects is not None and access.small_objects().copy("site", FILE).version_id == "v1"
    authorization = s3.requests[0].headers["authorization"]
    assert "Credential=SHOP/" in authorization and "/eu-west-3/s3/" in authorization


def test_the_local_stack_is_reached_without_the_users_proxy_and_keys(
    s3: ScriptedS3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")  # restored at the end of the test
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "THEIRS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")

    access = Access.local({"endpoint_url": s3.url, "region": "us-west-2"})

    assert access.small_objects is not None and access.small_objects().copy("site", FILE).version_id == "v1"
    assert "Credential=test/" in s3.requests[0].headers["authorization"]


def test_an_own_certificate_is_trusted_as_botocore_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    file.write_text("[default]\nca_bundle = /from/the/profile.pem\n")
    for name in ("AWS_PROFILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    assert _ca_bundle() is None
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/from/requests.pem")
    assert _ca_bundle() == "/from/requests.pem"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    assert _ca_bundle() == "/from/the/profile.pem"
    monkeypatch.setenv("AWS_CA_BUNDLE", "/from/the/environment.pem")
    assert _ca_bundle() == "/from/the/environment.pem"
