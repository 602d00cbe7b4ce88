"""What a request needs beside what MiniStack reads from it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ministack.core import iam_actions, iam_evaluator  # type: ignore[import-untyped]
from ministack.services import dynamodb, s3  # type: ignore[import-untyped]

from sitewright.local.emulator.identity import request_rights

ACCOUNT = "000000000000"


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("dynamodb_service_context", "extract_resource_arn", "s3_additional_checks"):
        monkeypatch.setattr(iam_actions, name, getattr(iam_actions, name))
    monkeypatch.setattr(iam_evaluator, "_resolve_condition_key", iam_evaluator._resolve_condition_key)
    monkeypatch.setattr(s3, "_buckets", {"b": {"objects": {"k": {}}}})
    monkeypatch.setattr(dynamodb, "_tables", {"sessions": {"pk_name": "clientSession"}})
    request_rights.install()
    yield


def value(key: str) -> Any:
    context = iam_evaluator.EvalContext("r", "AssumedRole", ACCOUNT, "s3:ListBucket", "arn:aws:s3:::b", "us-east-1")
    return iam_evaluator._resolve_condition_key(key, context)


def get(key: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = iam_actions.s3_additional_checks("GET", f"/b/{key}", {}, b"", {})
    return found


def test_a_key_that_is_not_there_needs_the_right_to_list_it(requests: None) -> None:
    assert get("amelia/site/manifest.json.gz") == [("s3:ListBucket", "arn:aws:s3:::b")]
    assert value("s3:prefix") == "amelia/site/manifest.json.gz"
    assert get("k") == []
    assert value("s3:prefix") is None


def test_loopback_counts_as_tls(requests: None) -> None:
    assert value("aws:SecureTransport") == "true"


def test_a_request_to_a_table_has_its_leading_keys(requests: None) -> None:
    body = json.dumps({"TableName": "sessions", "Key": {"clientSession": {"S": "amelia#s"}}}).encode()
    assert iam_actions.dynamodb_service_context(body)["dynamodb:LeadingKeys"] == ["amelia#s"]
    assert "dynamodb:LeadingKeys" not in iam_actions.dynamodb_service_context(b'{"TableName": "sessions"}')


def test_a_put_with_tags_and_a_condition_needs_their_rights(requests: None) -> None:
    def checks(**headers: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = iam_actions.s3_additional_checks("PUT", "/b/k", headers, b"", {})
        return found

    assert checks() == []
    assert checks(**{"x-amz-tagging": "a=b"}) == [("s3:PutObjectTagging", "arn:aws:s3:::b/k")]
    assert checks(**{"if-match": "e"}) == [("s3:GetObject", "arn:aws:s3:::b/k")]


def test_a_log_stream_is_a_resource(requests: None) -> None:
    def resource(body: bytes) -> str:
        headers = {"x-amz-target": "Logs_20140328.PutLogEvents"}
        return str(iam_actions.extract_resource_arn("logs", "POST", "/", headers, body, {}, "us-east-1", ACCOUNT))

    group = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:g"
    assert resource(b'{"logGroupName": "g", "logStreamName": "s"}') == f"{group}:log-stream:s"
    assert resource(b'{"logGroupName": "g"}') == group
