"""Makes boto3 clients at first use, so importing a handler needs neither network nor credentials."""

import time
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

_CONFIG = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=30)


@cache
def client(service: str) -> Any:
    """Returns the client of a service; the same for the whole process."""
    return boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]  # the name is not a literal


def now_ms() -> int:
    """Returns the milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
