"""The tables and queues of the platform stack on moto."""

from typing import Any

import boto3

REGION = "us-west-2"
ACCOUNT = "123456789012"
SESSION, COMMAND = "s", "c1"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:sitewright-amelia"
NOW = 1_760_000_000_000


def make_table(name: str, partition: str, sort: str | None = None, *, open_index: bool = False) -> Any:
    keys = [{"AttributeName": partition, "KeyType": "HASH"}]
    attributes = [{"AttributeName": partition, "AttributeType": "S"}]
    if sort:
        keys.append({"AttributeName": sort, "KeyType": "RANGE"})
        attributes.append({"AttributeName": sort, "AttributeType": "S"})
    extra: dict[str, Any] = {}
    if open_index:
        attributes += [
            {"AttributeName": "open", "AttributeType": "S"},
            {"AttributeName": "acceptedAt", "AttributeType": "N"},
        ]
        extra["GlobalSecondaryIndexes"] = [
            {
                "IndexName": "open-by-age",
                "KeySchema": [
                    {"AttributeName": "open", "KeyType": "HASH"},
                    {"AttributeName": "acceptedAt", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ]
    return boto3.resource("dynamodb", REGION).create_table(
        TableName=name, KeySchema=keys, AttributeDefinitions=attributes, BillingMode="PAY_PER_REQUEST", **extra
    )


def make_fifo(name: str) -> str:
    url = boto3.client("sqs", REGION).create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"})
    return str(url["QueueUrl"])


def item(table: Any, **key: str) -> dict[str, Any]:
    found: dict[str, Any] = table.get_item(Key=key)["Item"]
    return found
