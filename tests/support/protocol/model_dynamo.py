"""DynamoDB in memory: as much of its expressions as the code uses, evaluated, with a place to interfere in every call."""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from boto3.dynamodb.conditions import ConditionBase, ConditionExpressionBuilder
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

Item = dict[str, Any]

KEYS = {"sessions": ("sessionId",), "commands": ("sessionId", "commandId")}
_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),+]|[:#]?[A-Za-z0-9_.#]+)")
_MISSING = object()


class ConditionFailed(ClientError):
    def __init__(self) -> None:
        super().__init__({"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}}, "UpdateItem")


class _Parser:
    """Recursive descent over one expression, evaluated while it is read."""

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
    """As the resource API gives it back: every number a Decimal."""
    if isinstance(value, dict):
        return {k: _numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


@dataclass
class Dynamo:
    """The tables. `interfere` is called with a callable that does the call; `wrote` with table, old and new item."""

    tables: dict[str, dict[tuple[str, ...], Item]] = field(default_factory=lambda: {name: {} for name in KEYS})
    interfere: Callable[[Callable[[], Any]], Any] = lambda call: call()
    wrote: Callable[[str, Item, Item], None] = lambda *_: None
    before: dict[tuple[str, tuple[str, ...]], Item] = field(default_factory=dict)
    """What was there before the last write, until an eventually consistent read has seen it."""

    def key(self, table: str, item: Item) -> tuple[str, ...]:
        return tuple(item[name] for name in KEYS[table])

    def get(self, table: str, key: Item) -> Item | None:
        return copy.deepcopy(self.tables[table].get(self.key(table, key)))

    def get_late(self, table: str, key: Item) -> Item | None:
        """An eventually consistent read: the first one after a write does not see it."""
        old = self.before.pop((table, self.key(table, key)), None)
        return copy.deepcopy(old) if old is not None else self.get(table, key)

    def put(self, table: str, item: Item, condition: str | None, names: Any, values: Any) -> None:
        old = self.tables[table].get(self.key(table, item), {})
        if not holds(condition, old, names, _numbers(values or {})):
            raise ConditionFailed
        self._write(table, old, _numbers(item))

    def update(self, table: str, key: Item, request: dict[str, Any]) -> tuple[Item, Item]:
        old = self.tables[table].get(self.key(table, key), {})
        names = request.get("ExpressionAttributeNames") or {}
        values = _numbers(request.get("ExpressionAttributeValues") or {})
        if not holds(request.get("ConditionExpression"), old, names, values):
            raise ConditionFailed
        new = {**updated(request["UpdateExpression"], old, names, values), **key}
        self._write(table, old, new)
        return old, new

    def _write(self, table: str, old: Item, new: Item) -> None:
        self.wrote(table, old, new)
        if old:
            self.before[table, self.key(table, new)] = copy.deepcopy(old)
        self.tables[table][self.key(table, new)] = copy.deepcopy(new)

    def transact(self, items: list[dict[str, Any]]) -> None:
        before = copy.deepcopy(self.tables)
        reasons, failed = [], False
        for one in items:
            (kind, request), *_ = one.items()
            names = request.get("ExpressionAttributeNames")
            try:
                if kind == "Put":
                    values = request.get("ExpressionAttributeValues")
                    self.put(request["TableName"], request["Item"], request.get("ConditionExpression"), names, values)
                else:
                    self.update(request["TableName"], request["Key"], request)
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


def _answer(request: dict[str, Any], old: Item, new: Item) -> Item:
    kind = request.get("ReturnValues", "NONE")
    return {"ALL_NEW": new, "ALL_OLD": old, "NONE": {}}[kind]


class Client:
    """boto3's client: typed values."""

    def __init__(self, dynamo: Dynamo) -> None:
        self.dynamo = dynamo

    def update_item(self, **request: Any) -> dict[str, Any]:
        plain = {**request, "ExpressionAttributeValues": _plain(request.get("ExpressionAttributeValues") or {})}

        def call() -> dict[str, Any]:
            old, new = self.dynamo.update(request["TableName"], _plain(request["Key"]), plain)
            return {"Attributes": _typed(_answer(request, old, new))}

        answer: dict[str, Any] = self.dynamo.interfere(call)
        return answer

    def get_item(self, **request: Any) -> dict[str, Any]:
        def call() -> dict[str, Any]:
            read = self.dynamo.get if request.get("ConsistentRead") else self.dynamo.get_late
            item = read(request["TableName"], _plain(request["Key"]))
            return {"Item": _typed(item)} if item is not None else {}

        answer: dict[str, Any] = self.dynamo.interfere(call)
        return answer


class Table:
    """boto3's Table: plain values, and conditions as objects."""

    def __init__(self, dynamo: Dynamo, name: str) -> None:
        self.dynamo, self.name = dynamo, name
        exceptions = SimpleNamespace(ConditionalCheckFailedException=ConditionFailed)
        self.meta = SimpleNamespace(client=SimpleNamespace(exceptions=exceptions, transact_write_items=self._transact))

    def _transact(self, *, TransactItems: list[dict[str, Any]]) -> None:
        self.dynamo.interfere(lambda: self.dynamo.transact(TransactItems))

    def get_item(self, *, Key: Item, **_: Any) -> dict[str, Any]:
        item = self.dynamo.interfere(lambda: self.dynamo.get(self.name, Key))
        return {"Item": item} if item is not None else {}

    def put_item(self, *, Item: Item, **request: Any) -> None:
        names, values = request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues")
        condition = request.get("ConditionExpression")
        self.dynamo.interfere(lambda: self.dynamo.put(self.name, Item, condition, names, values))

    def update_item(self, *, Key: Item, **request: Any) -> dict[str, Any]:
        old, new = self.dynamo.interfere(lambda: self.dynamo.update(self.name, Key, request))
        return {"Attributes": copy.deepcopy(_answer(request, old, new))}

    def query(self, *, KeyConditionExpression: ConditionBase, **request: Any) -> dict[str, Any]:
        conditions = [c for c in (KeyConditionExpression, request.get("FilterExpression")) if c is not None]

        def matches(item: Item) -> bool:
            return all(_object_holds(condition, item) for condition in conditions)

        def call() -> dict[str, Any]:
            return {"Items": [copy.deepcopy(i) for i in self.dynamo.tables[self.name].values() if matches(i)]}

        answer: dict[str, Any] = self.dynamo.interfere(call)
        return answer


def _object_holds(condition: ConditionBase, item: Item) -> bool:
    built = ConditionExpressionBuilder().build_expression(condition)
    return holds(
        built.condition_expression,
        item,
        built.attribute_name_placeholders,
        _numbers(built.attribute_value_placeholders),
    )


def _typed(item: Item) -> Item:
    serializer = TypeSerializer()
    return {key: serializer.serialize(value) for key, value in item.items()}


def _plain(item: Item) -> Item:
    deserializer = TypeDeserializer()
    return {key: deserializer.deserialize(value) for key, value in item.items()}
