"""The CRT client against an S3 server on loopback that can fail."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.credentials import Credentials
from workspace.errors import StepStopped, StopReason

from sitewright.publishing.objects.crt_client import CrtClient
from sitewright.publishing.objects.upload import Sender
from sitewright.publishing.target import NoGuard, PublishTarget
from tests.support.publishing.scripted_s3_server import ScriptedS3Server, scripted_s3_server

BUCKET = "edit.amelia.example.com"


KEYS = [
    "with space.html",
    "a+b&c=d.txt",
    "50%25 off.txt",
    "naïve/日本語/index.html",
    "#hash?query.txt",
    "😀.svg",
    "~.txt",
]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(name="s3")
def s3_fixture() -> Iterator[ScriptedS3Server]:
    with scripted_s3_server() as server:
        yield server


class Stopping:
    """A check that stops the publish after a number of requests to the server."""

    def __init__(self, s3: ScriptedS3Server, after: int) -> None:
        self.s3, self.after, self.asked = s3, after, 0

    def __call__(self) -> None:
        self.asked += 1
        if len(self.s3.requests) >= self.after:
            raise StepStopped(StopReason.INTERRUPT)


def boto3_client(s3: ScriptedS3Server) -> Any:
    key = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "secret"}
    return boto3.client("s3", region_name="us-west-2", endpoint_url=s3.url, **key)  # type: ignore[call-overload]


def sender(s3: ScriptedS3Server, check: Any) -> Sender:
    boto = boto3_client(s3)
    return Sender(
        PublishTarget(
            boto, BUCKET, "artifacts", "amelia", "s1", NoGuard(), lambda *_: None, lambda _: None, make_client(s3)
        ),
        check,
    )


def make_client(
    s3: ScriptedS3Server, credentials: Any = lambda: Credentials("AKIA", "secret"), **more: Any
) -> CrtClient:
    return CrtClient(s3.url, "us-west-2", credentials, **more)
