"""The condition key `dynamodb:LeadingKeys` of a request, which MiniStack does not compute."""

from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]
PartitionKey = Callable[[str], str | None]
"""The name of a table's partition key; None for a table that does not exist."""

_MEMBERS = ("ConditionCheck", "Put", "Update", "Delete", "Get")


def leading_keys(request: Json, partition_key: PartitionKey) -> list[str]:
    """Returns the partition key values that a request names; empty where it names none, as for a scan.

    A query names its key in an expression, which is not read: a right that asks for the key then refuses the query.
    Source: Service Authorization Reference, "Condition keys for Amazon DynamoDB".
    """
    found = []
    for table, item in _items(request):
        value = item.get(partition_key(table) or "")
        # `{"S": "text"}`: the condition compares texts.
        found += [str(text) for text in value.values()] if isinstance(value, dict) else []
    return found


def _items(request: Json) -> Iterator[tuple[str, Json]]:
    if "TransactItems" in request:
        for entry in request["TransactItems"]:
            for member in _MEMBERS:
                yield from _items(entry.get(member) or {})
        return
    for table, asked in (request.get("RequestItems") or {}).items():
        for key in asked.get("Keys", []) if isinstance(asked, dict) else ():
            yield table, key
    if table := request.get("TableName"):
        yield str(table).rpartition("/")[2], request.get("Key") or request.get("Item") or {}
