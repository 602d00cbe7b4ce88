"""boto3 clients, made at first use: importing a handler touches neither network nor credentials."""

import time
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from sitewright.retry import Backoff

_CONFIG = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=30)

TABLE_BACKOFF = Backoff(seconds=1.6, first=0.05, longest=0.8)
"""For writes to the tables, besides boto3's own retries. These do not cover the conflict with a transaction on the same
item: without more, intake accepting a command could fail an unlucky step of the command before it."""


@cache
def client(service: str) -> Any:
    """The client of a service; one a process."""
    return boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]  # the name is not a literal


@cache
def table(name: str) -> Any:
    """A DynamoDB table of the resource API."""
    return boto3.resource("dynamodb", config=_CONFIG).Table(name)


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
