"""What a request needs beside what MiniStack reads from it: rights, resources and condition keys."""

import json
from contextvars import ContextVar
from typing import Any

from ministack.core import iam_actions  # type: ignore[import-untyped]
from ministack.core import iam_evaluator as engine
from ministack.services import dynamodb, s3  # type: ignore[import-untyped]

from sitewright.local.emulator.identity.leading_keys import leading_keys

Json = dict[str, Any]


def install() -> None:
    """Replaces the functions of MiniStack that read a request."""
    _add_leading_keys()
    _name_log_streams()
    _ask_for_all_rights_on_objects()
    _take_loopback_for_tls()
    _know_the_cluster_of_tasks()


def partition_key(table: str) -> str | None:
    """Returns the name of a table's partition key; None if there is no such table."""
    found = dynamodb._tables.get(table)
    return found["pk_name"] if found else None


def _add_leading_keys() -> None:
    context_of = iam_actions.dynamodb_service_context

    def context(body: bytes) -> Json:
        found: Json = context_of(body)
        keys = leading_keys(json.loads(body or b"{}"), partition_key) if found else []
        return {**found, "dynamodb:LeadingKeys": keys} if keys else found

    iam_actions.dynamodb_service_context = context


def _name_log_streams() -> None:
    """A stream is the resource of the calls that name one; MiniStack names its group.

    Source: https://github.com/aws-solutions/aws-crr-monitor/issues/8 (a refusal as AWS words it).
    """
    resource_of = iam_actions.extract_resource_arn

    def resource(service: str, method: str, path: str, headers: Json, body: bytes, *rest: Any) -> str:
        found = str(resource_of(service, method, path, headers, body, *rest))
        stream = json.loads(body or b"{}").get("logStreamName") if service == "logs" else None
        return f"{found}:log-stream:{stream}" if stream else found

    iam_actions.extract_resource_arn = resource


def _ask_for_all_rights_on_objects() -> None:
    """PutObject with tags or on a condition needs further rights, and so does asking for a key that is not there.

    Sources: S3 API reference, PutObject and GetObject, "Permissions"; S3 User Guide, "How to prevent object overwrites
    with conditional writes"; https://github.com/ceph/ceph/pull/68577 (S3 asks for ListBucket with the key as prefix).
    """
    checks_of, resolve = iam_actions.s3_additional_checks, engine._resolve_condition_key
    missing: ContextVar[str | None] = ContextVar("missing", default=None)

    def checks(method: str, path: str, headers: Json, body: bytes, query: Json) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = checks_of(method, path, headers, body, query)
        bucket, _, key = path.lstrip("/").partition("/")
        action = iam_actions._s3_action(method, path, query) if key else None
        if action == "PutObject":
            named = {"x-amz-tagging": "s3:PutObjectTagging", "if-match": "s3:GetObject"}
            found += [(right, f"arn:aws:s3:::{bucket}/{key}") for name, right in named.items() if headers.get(name)]
        there = (s3._buckets.get(bucket) or {}).get("objects")
        missing.set(key if action == "GetObject" and there is not None and key not in there else None)
        return [*found, ("s3:ListBucket", f"arn:aws:s3:::{bucket}")] if missing.get() else found

    def resolved(key: str, context: Any) -> Any:
        found = resolve(key, context)
        return missing.get() if found is None and key.lower() == "s3:prefix" else found

    iam_actions.s3_additional_checks, engine._resolve_condition_key = checks, resolved


def _know_the_cluster_of_tasks() -> None:
    """`ecs:cluster` of ListTasks and DescribeTasks: MiniStack takes the cluster for their resource, and lacks the key."""
    resolve = engine._resolve_condition_key

    def resolved(key: str, context: Any) -> Any:
        if key.lower() == "ecs:cluster" and ":cluster/" in (context.resource_arn or ""):
            return context.resource_arn
        return resolve(key, context)

    engine._resolve_condition_key = resolved


def _take_loopback_for_tls() -> None:
    """Policies refuse requests without TLS, which the emulator does not serve."""
    resolve = engine._resolve_condition_key

    def resolved(key: str, context: Any) -> Any:
        return "true" if key.lower() == "aws:securetransport" else resolve(key, context)

    engine._resolve_condition_key = resolved
