"""Checks and copies of older versions by AWS's client in C, against a scripted S3 endpoint on loopback."""

import hashlib
import time

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, HTTPClientError, NoCredentialsError
from workspace.errors import StepStopped

from sitewright.publishing.errors import PublishError
from sitewright.publishing.objects.crt_client import CrtClient
from sitewright.publishing.objects.upload import SMALL_BYTES
from sitewright.publishing.site_files import SentObject, StoredFile
from sitewright.retry import error_code, is_transient
from tests.support.publishing.crt_world import (
    BUCKET,
    KEYS,
    Stopping,
    boto3_client,
    no_proxy,  # noqa: F401 - a fixture
    s3_fixture,  # noqa: F401 - a fixture
    sender,
)
from tests.support.publishing.scripted_s3_server import ScriptedS3Server


def client(s3: ScriptedS3Server) -> CrtClient:
    return CrtClient(s3.url, "us-west-2", lambda: Credentials("AKIA", "secret"))


def stored(key: str = "a.html", *, version: str = "3HL4kqtJlcpXroDTDmJ_.rmSpXd3dIbrHY", size: int = 10) -> StoredFile:
    return StoredFile(key, version, "0" * 32, size, "text/html; charset=utf-8", "public, max-age=0, must-revalidate")


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def test_the_version_is_copied_as_it_is(s3: ScriptedS3Server) -> None:
    sent = client(s3).copy(BUCKET, stored())
    (request,) = s3.requests
    source = f"{BUCKET}/a.html?versionId=3HL4kqtJlcpXroDTDmJ_.rmSpXd3dIbrHY"
    assert (request.path, request.body) == (f"/{BUCKET}/a.html", b"")
    assert request.headers["x-amz-copy-source"] == source
    assert request.headers["x-amz-metadata-directive"] == "COPY"
    # S3 keeps the headers that the request does not name.
    assert "content-type" not in request.headers and "cache-control" not in request.headers
    assert "x-amz-copy-source" in request.headers["authorization"]
    assert sent == SentObject(md5(source), "v1")


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_any_spelling_is_copied_as_botocore_does_it(s3: ScriptedS3Server, key: str) -> None:
    client(s3).copy(BUCKET, stored(key))
    with sender(s3, lambda: None) as sending:
        sending.send(stored(key, size=SMALL_BYTES + 1))  # too large for the client in C
    ours, botocores = s3.requests
    assert "Boto3" in botocores.headers["user-agent"] and "Boto3" not in ours.headers["user-agent"]
    assert ours.path == botocores.path
    assert ours.headers["x-amz-copy-source"] == botocores.headers["x-amz-copy-source"]


@pytest.mark.parametrize(
    ("status", "code", "passing"),
    [
        (404, "NoSuchVersion", False),
        (403, "AccessDenied", False),
        (503, "SlowDown", True),
        (500, "InternalError", True),
    ],
)
def test_a_refusal_is_botocores_and_the_request_is_not_repeated(
    s3: ScriptedS3Server, status: int, code: str, passing: bool
) -> None:
    s3.answer = lambda *_: (status, code)
    with pytest.raises(ClientError, match="CopyObject") as caught:
        client(s3).copy(BUCKET, stored())
    assert caught.value.response["Error"].get("Code") == code
    assert is_transient(caught.value) is passing
    time.sleep(1.2 if passing else 0)  # the client's own first repetition would come within a second
    assert len(s3.requests) == 1


@pytest.mark.parametrize("code", ["InternalError", "SlowDown", "SomethingNew", ""])
def test_an_error_after_a_200_is_transient(s3: ScriptedS3Server, code: str) -> None:
    s3.answer = lambda number, _: (200, code) if number == 1 else None
    with pytest.raises((ClientError, HTTPClientError)) as caught:
        client(s3).copy(BUCKET, stored())
    assert is_transient(caught.value)
    assert len(s3.requests) == 1
    with sender(s3, lambda: None) as sending:
        assert sending.send(stored()).version_id == "v2"


def test_faults_are_retried_and_each_repetition_is_checked(s3: ScriptedS3Server) -> None:
    s3.answer = lambda number, _: (
        [(503, "SlowDown"), (0, ""), (200, "InternalError")][number - 1] if number < 4 else None
    )
    asked_at: list[int] = []
    with sender(s3, lambda: asked_at.append(len(s3.requests))) as sending:
        assert sending.send(stored()).version_id == "v4"
    assert {0, 1, 2, 3} <= set(asked_at) and len(s3.requests) == 4


def test_a_rollback_that_was_stopped_repeats_nothing(s3: ScriptedS3Server) -> None:
    s3.answer = lambda *_: (200, "SlowDown")
    with sender(s3, Stopping(s3, 1)) as sending, pytest.raises(StepStopped):
        sending.send(stored())
    assert sending.attempts
    time.sleep(1.2)
    assert len(s3.requests) == 1


def test_a_missing_version_is_reported_with_the_key(s3: ScriptedS3Server) -> None:
    s3.answer = lambda *_: (404, "NoSuchVersion")
    with (
        sender(s3, lambda: None) as sending,
        pytest.raises(PublishError, match=rf"s3://{BUCKET}/a.html is not stored any more \(NoSuchVersion\)") as caught,
    ):
        sending.send(stored())
    # A healing publish uses the cause to tell a lost version from a transient error.
    assert isinstance(caught.value.__cause__, ClientError) and not is_transient(caught.value.__cause__)


def test_without_credentials_nothing_is_sent_nor_waited_for(s3: ScriptedS3Server) -> None:
    with pytest.raises(NoCredentialsError):
        CrtClient(s3.url, "us-west-2", lambda: None).copy(BUCKET, stored())
    assert s3.requests == []


@pytest.mark.parametrize("key", KEYS)
def test_a_version_is_checked_as_botocore_does_it(s3: ScriptedS3Server, key: str) -> None:
    file = stored(key, version="a+b/c=")
    client(s3).head(BUCKET, file)
    boto3_client(s3).head_object(Bucket=BUCKET, Key=key, VersionId=file.version_id or "")
    ours, botocores = s3.requests
    assert ours.path == botocores.path


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_a_missing_version_is_reported_by_the_status_alone(s3: ScriptedS3Server, status: int) -> None:
    s3.answer = lambda *_: (status, "")
    with pytest.raises(ClientError, match="HeadObject") as caught:
        client(s3).head(BUCKET, stored())
    assert error_code(caught.value) == str(status)
    assert not is_transient(caught.value)


@pytest.mark.parametrize("status", [500, 503, 0])
def test_a_fault_of_the_service_is_transient(s3: ScriptedS3Server, status: int) -> None:
    s3.answer = lambda *_: (status, "")
    with pytest.raises((ClientError, HTTPClientError)) as caught:
        client(s3).head(BUCKET, stored())
    assert is_transient(caught.value)
