"""One DynamoDB table over boto3's low-level client. It takes and returns plain values, and repeats transient errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from sitewright.retry import Backoff, is_condition_failed, retry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
"""An item or a key with Python's values. A number that was read is a Decimal."""


@dataclass(frozen=True)
class Update:
    """A write, mostly a conditional one, in DynamoDB's expression grammar. The values are Python's."""

    expression: str
    condition: str | None
    """None for a write without a condition."""
    values: Item = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Placeholders (`#name`) of attribute names that are reserved words."""

    def arguments(self) -> dict[str, Any]:
        """Returns the arguments of UpdateItem, or of an Update in a transaction, without table and key."""
        return {
            "UpdateExpression": self.expression,
            **({"ConditionExpression": self.condition} if self.condition else {}),
            **({"ExpressionAttributeNames": self.names} if self.names else {}),
            **({"ExpressionAttributeValues": serialized(self.values)} if self.values else {}),
        }


@dataclass(frozen=True)
class Table:
    """One table. `client` sets timeouts and boto3's own retries, `backoff` the repetitions beyond them."""

    client: DynamoDBClient
    name: str
    backoff: Backoff
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def get(self, key: Item) -> Item | None:
        """Returns the item, read consistently."""
        answer = self._repeated(
            lambda: self.client.get_item(TableName=self.name, Key=serialized(key), ConsistentRead=True)
        )
        return deserialized(answer["Item"]) if "Item" in answer else None

    def peek(self, key: Item) -> Item | None:
        """Returns the item, read with eventual consistency and without repetition, for half the price of `get`."""
        answer = self.client.get_item(TableName=self.name, Key=serialized(key))
        return deserialized(answer["Item"]) if "Item" in answer else None

    def update(
        self, key: Item, update: Update, *, repeated: bool = True, returns: Literal["ALL_NEW", "ALL_OLD"] = "ALL_NEW"
    ) -> Item | None:
        """Updates the item and returns its new version, or the old one (`ALL_OLD`); None if the condition is false."""

        def call() -> Item:
            return deserialized(
                self.client.update_item(
                    TableName=self.name, Key=serialized(key), ReturnValues=returns, **update.arguments()
                )["Attributes"]
            )

        try:
            return self._repeated(call) if repeated else call()
        except ClientError as error:
            if not is_condition_failed(error):
                raise
            return None

    def write(self, key: Item, update: Update, *, repeated: bool = True) -> bool:
        """Updates the item without reading it back. Returns False if the condition is false."""

        def call() -> object:
            return self.client.update_item(TableName=self.name, Key=serialized(key), **update.arguments())

        try:
            self._repeated(call) if repeated else call()
        except ClientError as error:
            if not is_condition_failed(error):
                raise
            return False
        return True

    def put(
        self, item: Item, condition: str, *, values: Item | None = None, names: dict[str, str] | None = None
    ) -> bool:
        """Replaces the item. Returns False if the condition is false."""
        arguments: dict[str, Any] = {"Item": serialized(item), "ConditionExpression": condition}
        if values:
            arguments["ExpressionAttributeValues"] = serialized(values)
        if names:
            arguments["ExpressionAttributeNames"] = names
        try:
            self._repeated(lambda: self.client.put_item(TableName=self.name, **arguments))
        except ClientError as error:
            if not is_condition_failed(error):
                raise
            return False
        return True

    def query(self, condition: str, values: Item, **arguments: Any) -> Iterator[Item]:
        """Yields the items of all pages of a Query."""
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": serialized(values),
            **arguments,
        }
        while True:
            page = self._repeated(lambda: self.client.query(**request))
            yield from map(deserialized, page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _repeated(self, call: Callable[[], Any]) -> Any:
        return retry(call, self.backoff, sleep=self.sleep)


def serialized(values: Item) -> dict[str, Any]:
    """Returns the values in DynamoDB's notation (`{"S": "x"}`)."""
    serializer = TypeSerializer()
    return {name: serializer.serialize(value) for name, value in values.items()}


def deserialized(item: dict[str, Any]) -> Item:
    """Returns the values of an item in DynamoDB's notation."""
    deserializer = TypeDeserializer()
    return {name: deserializer.deserialize(value) for name, value in item.items()}
