"""Moves every message from the response queue to a file, so that parallel tests can count responses.

Runs as its own process: `python -m tests.support.e2e.response_collector STACK_JSON OUT_JSONL`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3

from sitewright.local.machine.marked_processes import STACK_MARK


def start(home: Path) -> Path:
    """Starts a collector for the stack in `home`, which ends with the stack. Returns the file that it writes."""
    out = home / "responses.jsonl"
    argv = [sys.executable, "-m", "tests.support.e2e.response_collector", str(home / "stack.json"), str(out)]
    with (home / "collector.log").open("w") as log:
        subprocess.Popen(
            argv, env={**os.environ, STACK_MARK: str(home)}, stdout=log, stderr=log, start_new_session=True
        )
    return out


def collect(stack_file: Path, out: Path) -> None:
    """Receives messages forever. Writes each response unchanged as one line of `out`."""
    stack: dict[str, Any] = json.loads(stack_file.read_text())
    sqs = boto3.client(
        "sqs",
        endpoint_url=stack["endpoint_url"],
        region_name=stack["region"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    queue = stack["response_queue_url"]
    while True:
        got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2)
        for message in got.get("Messages", []):
            with out.open("a") as file:
                file.write(json.dumps(json.loads(message["Body"])) + "\n")
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


if __name__ == "__main__":
    collect(Path(sys.argv[1]), Path(sys.argv[2]))
