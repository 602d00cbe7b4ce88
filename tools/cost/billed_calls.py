"""Maps a request to AWS to the kind that AWS bills. Pure."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from sitewright.local.aws_clients import LOCAL_USER_AGENT
from sitewright.tables.schema import REFRESH

Json = dict[str, Any]

TOKEN_BYTES = 900
"""A task token of Step Functions (up to 1,024 characters); the emulator's are shorter."""

CALLS_FILE_VARIABLE = "SITEWRIGHT_COUNT_CALLS"
"""Names the file that `call_counter` writes."""

_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/")
_BULK_DELETE = "delete"


@dataclass(frozen=True)
class BilledCall:
    """One request. `price` is a key of the price list; `key` an item whose size is not known from the request."""

    service: str
    operation: str
    price: str
    units: float
    detail: str = ""
    key: Json | None = None


def classify(
    method: str, path: str, query: str, headers: Mapping[str, str], *, request: bytes, response: bytes
) -> list[BilledCall]:
    """Returns the billed kind of a request. Requests of the local stack's own tools have none."""
    if LOCAL_USER_AGENT in headers.get("user-agent", ""):
        return []
    scope = _SCOPE.search(headers.get("authorization", ""))
    if scope is None:
        return []
    service, operation = scope[1], headers.get("x-amz-target", "").rpartition(".")[2]
    if service == "s3":
        return [_s3(method, path, query)]
    if service == "dynamodb":
        return _dynamodb(operation, _json(request), _json(response))
    if service == "ssm":
        # Parameters are free. Decrypting one is a call of KMS.
        return [BilledCall(service, operation, "kms_call" if _json(request).get("WithDecryption") else "free", 1)]
    prices = {"sqs": "sqs_fifo", "events": "eventbridge_custom"}
    return [BilledCall(service, operation or f"{method} {path}", prices.get(service, "free"), 1)]


def _s3(method: str, path: str, query: str) -> BilledCall:
    names = parse_qs(query, keep_blank_values=True)
    is_object = path.strip("/").count("/") > 0
    if method == "GET" and not is_object:
        return BilledCall("s3", "LIST", "s3_put", 1)
    if method == "DELETE" or (method == "POST" and _BULK_DELETE in names):
        return BilledCall("s3", "DELETE", "s3_free", 1)
    if method in {"GET", "HEAD"}:
        return BilledCall("s3", method, "s3_get", 1)
    return BilledCall("s3", method, "s3_put", 1)


def _dynamodb(operation: str, request: Json, response: Json) -> list[BilledCall]:
    if operation == "TransactWriteItems":
        return [call for item in request["TransactItems"] for verb, part in item.items() for call in _write(verb, part)]
    if operation in {"PutItem", "UpdateItem", "DeleteItem"}:
        return _write(operation, request, response)
    items = response.get("Items") or ([response["Item"]] if response.get("Item") else [])
    factor = 1.0 if request.get("ConsistentRead") else 0.5
    units = max(1, math.ceil(sum(map(item_bytes, items)) / 4096)) * factor
    return [BilledCall("dynamodb", operation, "dynamodb_read", units, _asked(operation, request))]


def _write(verb: str, request: Json, response: Json | None = None) -> list[BilledCall]:
    # A transaction (no response of its own) costs twice.
    factor = 1 if response is not None else 2
    operation = verb if response is not None else f"TransactWrite {verb}"
    table, detail = table_of(request), _what(request)
    item = request.get("Item") or (response or {}).get("Attributes")
    size = write_units(item_bytes(item)) if item else 1
    key = None if item else {"table": table, "key": request.get("Key", {})}
    found = [BilledCall("dynamodb", operation, "dynamodb_write", size * factor, detail, key)]
    expression = request.get("UpdateExpression", "")
    if "open" in request.get("Item", {}) or "REMOVE #open" in expression:
        # The index of open commands.
        found.append(BilledCall("dynamodb", f"{operation} (index)", "dynamodb_write", factor, table))
    return found


def _what(request: Json) -> str:
    if request.get("UpdateExpression") == REFRESH:
        return "refresh"
    return table_of(request)


def _asked(operation: str, request: Json) -> str:
    # Everything else reads consistently: only a workspace that waits is content with what is a moment old.
    return "look" if operation == "GetItem" and not request.get("ConsistentRead") else table_of(request)


def table_of(request: Json) -> str:
    """Returns the name of the request's table."""
    return str(request.get("TableName", ""))


def write_units(size: int) -> int:
    """Request units of a write."""
    return max(1, math.ceil(size / 1024))


def item_bytes(item: Json) -> int:
    """The size of an item in DynamoDB's JSON, by its guide ("item sizes and formats"); task tokens as long as AWS's."""
    return sum(len(name.encode()) + _value_bytes(value, name) for name, value in item.items())


def _value_bytes(value: Json, name: str = "") -> int:
    kind, content = next(iter(value.items()))
    if name == "taskToken":
        return TOKEN_BYTES
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        return len(content.strip("-0.")) // 2 + 2
    if kind == "M":
        return 3 + len(content) + item_bytes(content)
    if kind == "L":
        return 3 + len(content) + sum(map(_value_bytes, content))
    return 1 if kind in {"BOOL", "NULL"} else len(str(content))


def _json(body: bytes) -> Json:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
