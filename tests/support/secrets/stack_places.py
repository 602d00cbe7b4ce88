"""Every place of a local stack that somebody may read a secret in, with its bytes, unpacked as far as it was packed."""

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

from tests.support.e2e.stack_driver import Site, Stack

LOG_FILES = ("*.log", "tasks/*.log")
UNPACK_AT_MOST = 512 << 20
BUNDLE, TRANSCRIPTS = ".bundle", "projects/"
ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class Place:
    """A name for the report, and what is there."""

    name: str
    content: bytes


class EventTap:
    """A queue that receives a copy of every event of the stack's bus."""

    def __init__(self, stack: Stack, name: str) -> None:
        self._stack = stack
        sqs, events = stack.client("sqs"), stack.client("events")
        self._queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        pattern = json.dumps({"source": ["aws.states", "aws.ecs"]})
        events.put_rule(Name=name, EventPattern=pattern, State="ENABLED")
        events.put_targets(Rule=name, Targets=[{"Id": "tap", "Arn": attributes["Attributes"]["QueueArn"]}])

    def events(self) -> Iterator[Place]:
        """The events since the last call."""
        sqs = self._stack.client("sqs")
        while got := sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in got:
                sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                yield Place("event", message["Body"].encode())


def places(site: Site, sessions: set[str]) -> Iterator[Place]:
    """The places of the stack, and those of the site and its sessions."""
    stack = site.stack
    yield from _log_files(stack.home)
    yield from _log_groups(stack)
    yield from _histories(site)
    yield from _tasks(stack)
    yield from _items(stack)
    yield from objects(stack.client("s3"), site.bucket)
    yield from objects(stack.client("s3"), stack.info["artifacts_bucket"], f"{site.client_id}/")
    yield Place("commits and git objects", git_objects(site.bare))
    for session in sorted(sessions):
        yield Place("response", json.dumps(stack.responses(session)).encode())


def _log_files(home: Path) -> Iterator[Place]:
    for pattern in LOG_FILES:
        for file in sorted((home / "log").glob(pattern)):
            yield Place(f"log file {file.name}", file.read_bytes())


def _log_groups(stack: Stack) -> Iterator[Place]:
    logs = stack.client("logs")
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            name = group["logGroupName"]
            for events in logs.get_paginator("filter_log_events").paginate(logGroupName=name):
                yield Place(f"log group {name}", "\n".join(e["message"] for e in events["events"]).encode())


def _histories(site: Site) -> Iterator[Place]:
    client = site.stack.client("stepfunctions")
    for page in client.get_paginator("list_executions").paginate(stateMachineArn=site.entry["state_machine_arn"]):
        for execution in page["executions"]:
            arn = execution["executionArn"]
            described = client.describe_execution(executionArn=arn)
            yield Place(f"execution {arn.rsplit(':', 1)[-1]}", _text(described))
            for history in client.get_paginator("get_execution_history").paginate(executionArn=arn):
                for event in history["events"]:
                    kind = "parameters of RunTask" if "taskScheduledEventDetails" in event else "history"
                    yield Place(f"{kind} of {arn.rsplit(':', 1)[-1]}", _text(event))


def _tasks(stack: Stack) -> Iterator[Place]:
    """Task definitions, and the tasks' descriptions without their overrides and with them."""
    ecs = stack.client("ecs")
    for arn in ecs.list_task_definitions()["taskDefinitionArns"]:
        yield Place("task definition", _text(ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]))
    for cluster in ecs.list_clusters()["clusterArns"]:
        for status in ("RUNNING", "STOPPED"):
            arns = ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]
            for task in ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []:
                yield Place("overrides of a task", _text(task.pop("overrides", {})))
                yield Place("task", _text(task))


def _items(stack: Stack) -> Iterator[Place]:
    """The tables' items. The steps that wait or are under way are places of their own: a token is their address."""
    for name in stack.info["tables"].values():
        for item in stack.resource("dynamodb").Table(name).scan(ConsistentRead=True)["Items"]:
            for attribute in ("mailbox", "serving"):
                if attribute in item:
                    yield Place(f"attribute {attribute}", _text(item.pop(attribute)))
            yield Place(f"item of {name}", _text(item))


def objects(s3: Any, bucket: str, prefix: str = "") -> Iterator[Place]:
    """The objects of a bucket, with the files of their archives."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            yield from unpacked(f"object {bucket}/{entry['Key']}", body)


def unpacked(name: str, body: bytes) -> Iterator[Place]:
    yield Place(name, body)
    if not body.startswith(ZSTD):
        return
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body), read_across_frames=True) as reader:
        tar_bytes = reader.read(UNPACK_AT_MOST)
    with tarfile.open(fileobj=io.BytesIO(tar_bytes)) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            content = file.read()
            kind = "transcript in " if member.name.startswith(TRANSCRIPTS) else ""
            yield Place(
                f"{kind}{name}: {member.name}", _bundle_objects(content) if member.name.endswith(BUNDLE) else content
            )


def _bundle_objects(bundle: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "repository.bundle"
        path.write_bytes(bundle)
        bare = Path(folder) / "bare.git"
        subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True)
        # A bundle may build on commits that the remote has: what it brings itself is unpacked with them missing.
        pack = bundle[bundle.index(b"PACK") :]
        done = subprocess.run(
            ["git", "-C", str(bare), "unpack-objects", "-q", "-r"], input=pack, capture_output=True, check=False
        )
        assert done.returncode in (0, 1, 128)
        return git_objects(bare)


def git_objects(bare: Path) -> bytes:
    """Every object of a repository, as git prints it."""
    command = ["git", "-C", str(bare), "cat-file", "--batch", "--batch-all-objects", "--unordered"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def _text(value: Any) -> bytes:
    return json.dumps(value, default=str).encode()
