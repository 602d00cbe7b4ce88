"""The only double of DynamoDB: evaluates the expressions that the code uses, on items in memory.

A test may interfere with every call. tests/unit/tables/test_dynamodb_double.py compares the double with moto.
"""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

Item = dict[str, Any]

KEYS = {
    "sessions": ("clientSession",),
    "commands": ("clientSession", "commandId"),
    "deployments": ("clientId", "deploymentId"),
    "spending": ("clientId", "month"),
}
INDEXES = {"open-by-age": ("open", "acceptedAt")}
_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),+]|[:#]?[A-Za-z0-9_.#]+)")
_MISSING = object()


class ConditionFailed(ClientError):
    def __init__(self) -> None:
        super().__init__({"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}}, "UpdateItem")


class _Parser:
    """A recursive-descent parser of one expression, which evaluates while it parses."""

    def __init__(self, text: str, item: Item, names: dict[str, str], values: Item) -> None:
        self.tokens = _tokens(text)
        self.at, self.item, self.names, self.values = 0, item, names, values

    @property
    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *expected: str) -> str:
        token = self.next
        assert token and (not expected or token.upper() in expected), (token, expected, self.tokens)
        self.at += 1
        return token

    def condition(self) -> bool:
        found = self._and()
        while self.next.upper() == "OR":
            self.take()
            found = self._and() or found
        return found

    def _and(self) -> bool:
        found = self._not()
        while self.next.upper() == "AND":
            self.take()
            found = self._not() and found
        return found

    def _not(self) -> bool:
        if self.next.upper() == "NOT":
            self.take()
            return not self._not()
        if self.next == "(":
            self.take()
            found = self.condition()
            self.take(")")
            return found
        if self.next in {"attribute_exists", "attribute_not_exists"}:
            there = self.take() == "attribute_exists"
            self.take("(")
            value = self.operand()
            self.take(")")
            return (value is not _MISSING) is there
        left, operator, right = self.operand(), self.take(), self.operand()
        return _compare(left, operator, right)

    def operand(self) -> Any:
        token = self.take()
        if token == "if_not_exists":
            self.take("(")
            first = self.operand()
            self.take(",")
            second = self.operand()
            self.take(")")
            return second if first is _MISSING else first
        if token.startswith(":"):
            return self.values[token]
        value: Any = self.item
        for part in token.split("."):
            value = value.get(self.names.get(part, part), _MISSING) if isinstance(value, dict) else _MISSING
        return value

    def update(self) -> Item:
        new = copy.deepcopy(self.item)
        while self.next:
            clause = self.take("SET", "REMOVE").upper()
            while True:
                name = self.take()
                name = self.names.get(name, name)
                if clause == "REMOVE":
                    new.pop(name, None)
                else:
                    self.take("=")
                    new[name] = copy.deepcopy(self._sum())
                if self.next != ",":
                    break
                self.take()
        return new

    def _sum(self) -> Any:
        value = self._there()
        while self.next == "+":
            self.take()
            value = value + self._there()
        return value

    def _there(self) -> Any:
        value = self.operand()
        if value is _MISSING:
            raise ClientError({"Error": {"Code": "ValidationException", "Message": "no such attribute"}}, "UpdateItem")
        return value


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        assert found, text[at:]
        tokens.append(found[1])
        at = found.end()
    return tokens


def _compare(left: Any, operator: str, right: Any) -> bool:
    if operator in {"=", "<>"}:
        same = left is not _MISSING and right is not _MISSING and type(left) is type(right) and left == right
        return same is (operator == "=")
    if left is _MISSING or right is _MISSING or type(left) is not type(right):
        return False
    return bool({"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator])


def holds(expression: str | None, item: Item, names: dict[str, str] | None = None, values: Item | None = None) -> bool:
    if expression is None:
        return True
    parser = _Parser(expression, item, names or {}, values or {})
    found = parser.condition()
    assert not parser.next, parser.tokens
    return found


def updated(expression: str, item: Item, names: dict[str, str] | None = None, values: Item | None = None) -> Item:
    return _Parser(expression, item, names or {}, values or {}).update()


def _numbers(value: Any) -> Any:
    """Returns the value as DynamoDB does: every number is a Decimal."""
    if isinstance(value, dict):
        return {k: _numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


@dataclass
class DynamoDB:
    """The tables. Calls `interfere` with a function that does the call, and `wrote` with table, old and new item."""

    tables: dict[str, dict[tuple[str, ...], Item]] = field(default_factory=lambda: {name: {} for name in KEYS})
    interfere: Callable[[Callable[[], Any]], Any] = lambda call: call()
    wrote: Callable[[str, Item, Item], None] = lambda *_: None
    before: dict[tuple[str, tuple[str, ...]], Item] = field(default_factory=dict)
    """Each item before its last write, until an eventually consistent read has returned it."""
    page: int = 1_000_000
    """The number of items in one page of a Query."""

    def key(self, table: str, item: Item) -> tuple[str, ...]:
        return tuple(item[name] for name in KEYS[table])

    def get(self, table: str, key: Item) -> Item | None:
        return copy.deepcopy(self.tables[table].get(self.key(table, key)))

    def get_late(self, table: str, key: Item) -> Item | None:
        """Does an eventually consistent read. The first one after a write returns the older item."""
        old = self.before.pop((table, self.key(table, key)), None)
        return copy.deepcopy(old) if old is not None else self.get(table, key)

    def put(self, table: str, item: Item, request: dict[str, Any]) -> None:
        old = self.tables[table].get(self.key(table, item), {})
        names, values = _placeholders(request)
        if not holds(request.get("ConditionExpression"), old, names, values):
            raise ConditionFailed
        self._write(table, old, _numbers(item))

    def update(self, table: str, key: Item, request: dict[str, Any]) -> tuple[Item, Item]:
        old = self.tables[table].get(self.key(table, key), {})
        names, values = _placeholders(request)
        if not holds(request.get("ConditionExpression"), old, names, values):
            raise ConditionFailed
        new = {**updated(request["UpdateExpression"], old, names, values), **key}
        self._write(table, old, new)
        return old, new

    def query(self, table: str, request: dict[str, Any]) -> list[Item]:
        """Returns all matching items, in the order of the sort key."""
        names, values = _placeholders(request)
        index = INDEXES.get(request.get("IndexName", ""))
        order = index or KEYS[table]
        found = [
            item
            for item in self.tables[table].values()
            if all(name in item for name in order)
            and holds(request["KeyConditionExpression"], item, names, values)
            and holds(request.get("FilterExpression"), item, names, values)
        ]
        found.sort(key=lambda item: item[order[-1]], reverse=not request.get("ScanIndexForward", True))
        kept = {*order, *KEYS[table]} if index else None
        if "ProjectionExpression" in request:
            kept = {names.get(name.strip(), name.strip()) for name in request["ProjectionExpression"].split(",")}
        return [copy.deepcopy({k: v for k, v in item.items() if kept is None or k in kept}) for item in found]

    def transact(self, items: list[dict[str, Any]]) -> None:
        before = copy.deepcopy(self.tables)
        reasons, failed = [], False
        for one in items:
            (kind, request), *_ = one.items()
            try:
                if kind == "Put":
                    self.put(request["TableName"], plain(request["Item"]), request)
                else:
                    self.update(request["TableName"], plain(request["Key"]), request)
                reasons.append({"Code": "None"})
            except ConditionFailed:
                reasons.append({"Code": "ConditionalCheckFailed"})
                failed = True
        if failed:
            self.tables = before
            error: Any = {
                "Error": {"Code": "TransactionCanceledException", "Message": ""},
                "CancellationReasons": reasons,
            }
            raise ClientError(error, "TransactWriteItems")

    def _write(self, table: str, old: Item, new: Item) -> None:
        self.wrote(table, old, new)
        if old:
            self.before[table, self.key(table, new)] = copy.deepcopy(old)
        self.tables[table][self.key(table, new)] = copy.deepcopy(new)


class DynamoDBClient:
    """A low-level client like boto3's for the tables in memory, with typed values."""

    def __init__(self, dynamodb: DynamoDB) -> None:
        self.dynamodb = dynamodb

    def get_item(self, **request: Any) -> dict[str, Any]:
        def call() -> dict[str, Any]:
            read = self.dynamodb.get if request.get("ConsistentRead") else self.dynamodb.get_late
            item = read(request["TableName"], plain(request["Key"]))
            return {"Item": typed(item)} if item is not None else {}

        answer: dict[str, Any] = self.dynamodb.interfere(call)
        return answer

    def put_item(self, **request: Any) -> dict[str, Any]:
        self.dynamodb.interfere(lambda: self.dynamodb.put(request["TableName"], plain(request["Item"]), request))
        return {}

    def update_item(self, **request: Any) -> dict[str, Any]:
        def call() -> dict[str, Any]:
            old, new = self.dynamodb.update(request["TableName"], plain(request["Key"]), request)
            kind = request.get("ReturnValues", "NONE")
            return {"Attributes": typed({"ALL_NEW": new, "ALL_OLD": old, "NONE": {}}[kind])}

        answer: dict[str, Any] = self.dynamodb.interfere(call)
        return answer

    def transact_write_items(self, *, TransactItems: list[dict[str, Any]]) -> None:
        self.dynamodb.interfere(lambda: self.dynamodb.transact(TransactItems))

    def query(self, **request: Any) -> dict[str, Any]:
        def call() -> dict[str, Any]:
            found = self.dynamodb.query(request["TableName"], request)
            start = int(request["ExclusiveStartKey"]["at"]["N"]) if "ExclusiveStartKey" in request else 0
            end = start + min(request.get("Limit", self.dynamodb.page), self.dynamodb.page)
            more = {"LastEvaluatedKey": {"at": {"N": str(end)}}} if end < len(found) else {}
            return {"Items": [typed(item) for item in found[start:end]], **more}

        answer: dict[str, Any] = self.dynamodb.interfere(call)
        return answer


@dataclass
class StoredTable:
    """One table for a test's own reads and writes, with plain values and without interference."""

    dynamodb: DynamoDB
    name: str

    def read(self, *key: str) -> Item:
        """Returns the item. Raises KeyError."""
        return copy.deepcopy(self.dynamodb.tables[self.name][key])

    def put(self, item: Item) -> None:
        self.dynamodb.put(self.name, item, {})

    def change(self, *key: str, remove: tuple[str, ...] = (), **values: Any) -> None:
        """Sets some attributes and removes others."""
        item = {k: v for k, v in self.dynamodb.tables[self.name].get(key, {}).items() if k not in remove}
        self.put({**dict(zip(KEYS[self.name], key, strict=True)), **item, **values})


def _placeholders(request: dict[str, Any]) -> tuple[dict[str, str], Item]:
    """Returns names and values of a request. Like DynamoDB, refuses a placeholder that no expression uses."""
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    text = " ".join(str(v) for k, v in request.items() if k.endswith("Expression"))
    used = {token for token in _tokens(text) if token[0] in "#:"}
    if used != {*names, *values}:
        message = f"placeholders {sorted(used ^ {*names, *values})}"
        raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "DynamoDB")
    return names, plain(values)


def typed(item: Item) -> Item:
    serializer = TypeSerializer()
    return {key: serializer.serialize(value) for key, value in item.items()}


def plain(item: Item) -> Item:
    deserializer = TypeDeserializer()
    return {key: deserializer.deserialize(value) for key, value in item.items()}
