"""Moves every message from the response queue to a file, so that parallel tests can count responses.

Runs as its own process: `python -m tests.support.e2e.response_collector STACK_JSON OUT_JSONL`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import boto3


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
