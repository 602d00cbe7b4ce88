"""boto3 clients, made at first use: importing a handler touches neither network nor credentials."""

import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

_CONFIG = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=30)

_CONFLICT_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)

_T = TypeVar("_T")


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


def error_code(error: Exception) -> str:
    """The AWS error code of a botocore ClientError, or an empty string."""
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


def patient(call: Callable[[], _T], sleep: Callable[[float], None] | None = None) -> _T:
    """The call's result; repeats one that met a transaction on the same item.

    A write outside a transaction is refused while a transaction on its item is in flight (DynamoDB Developer Guide,
    "Amazon DynamoDB Transactions: How it works", conflict handling), and boto3's retries do not know that error: without
    this, intake accepting a command could fail an unlucky step of the command before it.
    """
    for pause in _CONFLICT_PAUSES:
        try:
            return call()
        except ClientError as error:
            if error_code(error) != "TransactionConflictException":
                raise
        (sleep or time.sleep)(pause)
    return call()
