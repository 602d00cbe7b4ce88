"""Uploads of small files by AWS's client in C, against a scripted S3 endpoint on loopback."""

import datetime
import ipaddress
import os
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, HTTPClientError, NoCredentialsError, ReadTimeoutError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from workspace.errors import StepStopped

from sitewright.publishing.dist_files import scan
from sitewright.publishing.errors import PublishError
from sitewright.publishing.objects import crt_client
from sitewright.publishing.objects.upload import SMALL_BYTES
from sitewright.publishing.site_files import REVALIDATE, LocalFile
from sitewright.retry import is_transient
from tests.support.publishing.crt_world import (
    BUCKET,
    KEYS,
    Stopping,
    make_client,
    no_proxy,  # noqa: F401 - a fixture
    s3_fixture,  # noqa: F401 - a fixture
    sender,
)
from tests.support.publishing.scripted_s3_server import ScriptedS3Server, scripted_s3_server


def file(root: Path, key: str = "a.html", body: bytes = b"<html></html>") -> LocalFile:
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return next(found for found in scan(root) if found.key == key)


def test_a_file_is_stored_with_its_headers_and_its_version_is_returned(s3: ScriptedS3Server, tmp_path: Path) -> None:
    found = file(tmp_path)
    sent = make_client(s3).put(BUCKET, found)
    (request,) = s3.requests
    assert (request.path, request.body) == (f"/{BUCKET}/a.html", b"<html></html>")
    assert request.headers["content-type"] == "text/html; charset=utf-8"
    assert request.headers["cache-control"] == REVALIDATE
    assert "x-amz-checksum-crc32" in request.headers and "expect" not in request.headers
    assert "Credential=AKIA/" in request.headers["authorization"]
    assert (sent.etag, sent.version_id) == (found.md5, "v1")


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_any_spelling_arrives(s3: ScriptedS3Server, tmp_path: Path, key: str) -> None:
    make_client(s3).put(BUCKET, file(tmp_path, key))
    assert unquote(s3.requests[0].path) == f"/{BUCKET}/{key}"
    assert "?" not in s3.requests[0].path and "+" not in s3.requests[0].path


@pytest.mark.parametrize("size", [0, 1, SMALL_BYTES])
def test_a_file_of_any_size_arrives_whole(s3: ScriptedS3Server, tmp_path: Path, size: int) -> None:
    body = os.urandom(size)
    make_client(s3).put(BUCKET, file(tmp_path, "x.bin", body))
    assert s3.requests[0].body == body


def test_a_file_that_changed_since_it_was_planned_is_refused(s3: ScriptedS3Server, tmp_path: Path) -> None:
    found = file(tmp_path, body=b"12345")
    (tmp_path / found.key).write_bytes(b"54321")
    with pytest.raises(ClientError, match="BadDigest"):
        make_client(s3).put(BUCKET, found)
    (tmp_path / found.key).write_bytes(b"123456")
    with pytest.raises(OSError, match="was changed"):
        make_client(s3).put(BUCKET, found)
    (tmp_path / found.key).unlink()
    with pytest.raises(FileNotFoundError):
        make_client(s3).put(BUCKET, found)
    assert len(s3.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "passing"), [(404, "NoSuchBucket", False), (503, "SlowDown", True), (500, "InternalError", True)]
)
def test_a_refusal_is_botocores_and_the_request_is_not_repeated(
    s3: ScriptedS3Server, tmp_path: Path, status: int, code: str, passing: bool
) -> None:
    s3.answer = lambda *_: (status, code)
    with pytest.raises(ClientError) as caught:
        make_client(s3).put(BUCKET, file(tmp_path))
    error = caught.value.response["Error"]
    assert error.get("Code") == code
    # The client does not report the text of an error that it would normally repeat itself.
    assert passing or error.get("Message") == "As the test & its server say"
    assert is_transient(caught.value) is passing
    time.sleep(1.2)  # the client's own first repetition would come within a second
    assert len(s3.requests) == 1


def test_a_broken_connection_is_transient_and_not_repeated_by_the_client(s3: ScriptedS3Server, tmp_path: Path) -> None:
    s3.answer = lambda *_: (0, "")
    with pytest.raises(HTTPClientError) as caught:
        make_client(s3).put(BUCKET, file(tmp_path))
    assert is_transient(caught.value)
    time.sleep(1.2)
    assert len(s3.requests) == 1


def test_a_refused_connection_is_transient(tmp_path: Path) -> None:
    with scripted_s3_server() as gone:
        pass
    with pytest.raises(HTTPClientError) as caught:
        make_client(gone).put(BUCKET, file(tmp_path))
    assert is_transient(caught.value)


def test_no_answer_ends_the_request(s3: ScriptedS3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crt_client, "TIMEOUT_SECONDS", 0.3)

    def late(*_: Any) -> None:
        time.sleep(2)

    s3.answer = late
    began = time.monotonic()
    with pytest.raises(ReadTimeoutError) as caught:
        make_client(s3).put(BUCKET, file(tmp_path))
    assert time.monotonic() - began < 1.5 and is_transient(caught.value)


def test_a_connection_that_the_server_closed_is_replaced(s3: ScriptedS3Server, tmp_path: Path) -> None:
    s3.closing = True
    way, found = make_client(s3), file(tmp_path)
    with sender(s3, lambda: None) as sending:
        for _ in range(3):
            sending.send(found)
    way.put(BUCKET, found)
    assert s3.connections >= 4


def test_faults_are_retried_and_each_repetition_is_checked(s3: ScriptedS3Server, tmp_path: Path) -> None:
    s3.answer = lambda number, _: (
        [(503, "SlowDown"), (0, ""), (500, "InternalError")][number - 1] if number < 4 else None
    )
    asked_at: list[int] = []
    with sender(s3, lambda: asked_at.append(len(s3.requests))) as sending:
        assert sending.send(file(tmp_path)).version_id == "v4"
    assert {0, 1, 2, 3} <= set(asked_at) and len(s3.requests) == 4


def test_a_publish_that_was_stopped_repeats_nothing(s3: ScriptedS3Server, tmp_path: Path) -> None:
    s3.answer = lambda *_: (503, "SlowDown")
    with sender(s3, Stopping(s3, 2)) as sending, pytest.raises(StepStopped):
        sending.send(file(tmp_path))
    assert sending.attempts
    time.sleep(1.2)
    assert len(s3.requests) == 2


def test_a_stop_before_the_first_request_sends_nothing(s3: ScriptedS3Server, tmp_path: Path) -> None:
    with sender(s3, Stopping(s3, 0)) as sending, pytest.raises(StepStopped):
        sending.send(file(tmp_path))
    assert not sending.attempts and s3.requests == []


def test_a_large_file_is_streamed_by_botocore(s3: ScriptedS3Server, tmp_path: Path) -> None:
    with sender(s3, lambda: None) as sending:
        for size in (SMALL_BYTES, SMALL_BYTES + 1):
            sent = sending.send(file(tmp_path, f"{size}.bin", os.urandom(size)))
            assert sent.version_id == f"v{len(s3.requests)}"
    assert ["Boto3" in request.headers["user-agent"] for request in s3.requests] == [False, True]
    assert [len(request.body) for request in s3.requests] == [SMALL_BYTES, SMALL_BYTES + 1]


def test_a_refusal_is_reported_with_the_key(s3: ScriptedS3Server, tmp_path: Path) -> None:
    s3.answer = lambda *_: (403, "AccessDenied")
    with sender(s3, lambda: None) as sending, pytest.raises(PublishError, match=f"s3://{BUCKET}/a.html: AccessDenied"):
        sending.send(file(tmp_path))
    assert sending.attempts


def test_credentials_are_asked_for_each_time(s3: ScriptedS3Server, tmp_path: Path) -> None:
    now = [Credentials("FIRST", "secret", "token1")]
    way, found = make_client(s3, lambda: now[0]), file(tmp_path)
    way.put(BUCKET, found)
    now[0] = Credentials("SECOND", "secret", "token2")
    way.put(BUCKET, found)
    assert [
        "Credential=FIRST" in s3.requests[0].headers["authorization"],
        s3.requests[0].headers["x-amz-security-token"],
    ] == [True, "token1"]
    assert [
        "Credential=SECOND" in s3.requests[1].headers["authorization"],
        s3.requests[1].headers["x-amz-security-token"],
    ] == [True, "token2"]


def test_without_credentials_nothing_is_sent_nor_waited_for(s3: ScriptedS3Server, tmp_path: Path) -> None:
    with pytest.raises(NoCredentialsError) as caught:
        make_client(s3, lambda: None).put(BUCKET, file(tmp_path))
    assert not is_transient(caught.value) and s3.requests == []


def test_over_tls_a_bucket_with_dots_is_in_the_path(tmp_path: Path) -> None:
    key, certificate = _certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with scripted_s3_server(tls) as s3:
        found = file(tmp_path / "dist")
        assert make_client(s3, ca_bundle=str(certificate)).put(BUCKET, found).etag == found.md5
        assert s3.paths() == [f"/{BUCKET}/a.html"]
        with pytest.raises(HTTPClientError, match="TLS"):
            make_client(s3).put(BUCKET, found)
        assert len(s3.requests) == 1


def _certificate(root: Path) -> tuple[Path, Path]:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = root / "cert.pem", root / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return private, pem


@pytest.mark.parametrize("replaced_by", ["link", "fifo"])
def test_a_file_replaced_after_the_scan_is_neither_sent_nor_waited_for(
    s3: ScriptedS3Server, tmp_path: Path, replaced_by: str
) -> None:
    found = file(tmp_path / "dist", body=b"public")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    path = tmp_path / "dist" / found.key
    path.unlink()
    if replaced_by == "link":
        path.symlink_to(tmp_path / "secret.txt")
    else:
        os.mkfifo(path)
    with pytest.raises(OSError, match=r"a\.html"):
        make_client(s3).put(BUCKET, found)
    assert s3.requests == []
