"""The tables of the platform stack in memory, and its tables and queues on moto."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lambdas.common import platform_tables
from tests.support.dynamodb_double import INDEXES, KEYS, DynamoDB, DynamoDBClient

REGION = "us-west-2"
ACCOUNT = "123456789012"
SESSION, COMMAND = "s", "c1"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:sitewright-amelia"
NOW = 1_760_000_000_000


def make_table(name: str, partition: str, sort: str | None = None) -> Any:
    keys = [{"AttributeName": partition, "KeyType": "HASH"}]
    attributes = [{"AttributeName": partition, "AttributeType": "S"}]
    if sort:
        keys.append({"AttributeName": sort, "KeyType": "RANGE"})
        attributes.append({"AttributeName": sort, "AttributeType": "S"})
    return boto3.resource("dynamodb", REGION).create_table(
        TableName=name, KeySchema=keys, AttributeDefinitions=attributes, BillingMode="PAY_PER_REQUEST"
    )


def make_fifo(name: str) -> str:
    url = boto3.client("sqs", REGION).create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"})
    return str(url["QueueUrl"])


def item(table: Any, **key: str) -> dict[str, Any]:
    found: dict[str, Any] = table.get_item(Key=key)["Item"]
    return found


def use_double(aws: pytest.MonkeyPatch) -> DynamoDB:
    """Makes the handlers use tables in memory, and returns the tables."""
    dynamodb = DynamoDB()
    for name in ("sessions", "commands", "deployments", "spending"):
        aws.setenv(f"{name.upper()}_TABLE", name)
    client = DynamoDBClient(dynamodb)
    aws.setattr(platform_tables, "client", lambda _: client)
    return dynamodb


def conflicting(times: int) -> Callable[[Callable[[], Any]], Any]:
    """Returns an `interfere` that fails the first calls with a transaction conflict."""
    left = [None] * times

    def interfere(call: Callable[[], Any]) -> Any:
        if left:
            left.pop()
            raise ClientError({"Error": {"Code": "TransactionConflictException", "Message": ""}}, "UpdateItem")
        return call()

    return interfere


def make_tables(client: Any) -> None:
    """Creates every table in moto, for the comparison with the double."""
    for name, keys in KEYS.items():
        indexes = [
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": attribute, "KeyType": kind}
                    for attribute, kind in zip(order, ("HASH", "RANGE"), strict=True)
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for index, order in INDEXES.items()
            if name == "commands"
        ]
        attributes = dict.fromkeys(keys, "S")
        if indexes:
            attributes |= {"open": "S", "acceptedAt": "N"}
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": k, "AttributeType": kind} for k, kind in attributes.items()],
            KeySchema=[
                {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
        )
