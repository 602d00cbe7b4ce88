"""Compares the DynamoDB double with moto, on random items and on the kinds of expressions that the code uses."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from tests.support.dynamodb_double import DynamoDB, DynamoDBClient, typed
from tests.support.lambdas.platform_tables import REGION, make_tables

NAMES = ["a", "b", "mail.taskToken", "mail"]
# moto raises for a comparison of a number with a text.
numbers, texts = st.integers(0, 3), st.sampled_from(["x", "y"])
items = st.fixed_dictionaries(
    {},
    optional={"a": numbers, "b": numbers, "mail": st.fixed_dictionaries({"taskToken": texts})},
)
comparison = st.builds(
    lambda name, operator, value: f"{name} {operator} :{value}",
    st.sampled_from(NAMES[:2]),
    st.sampled_from(["=", "<>", "<", "<=", ">", ">="]),
    st.sampled_from(["n", "m"]),
) | st.sampled_from(["mail.taskToken = :s", "mail.taskToken <> :s", "attribute_exists(a) AND a = b"])
existence = st.builds(
    lambda function, name: f"{function}({name})",
    st.sampled_from(["attribute_exists", "attribute_not_exists"]),
    st.sampled_from(NAMES),
)
conditions = st.recursive(
    comparison | existence,
    lambda inner: (
        st.builds(lambda a, word, b: f"({a}) {word} ({b})", inner, st.sampled_from(["AND", "OR"]), inner)
        | st.builds(lambda a: f"NOT ({a})", inner)
    ),
    max_leaves=5,
)
updates = st.sampled_from(
    [
        "SET a = :n",
        "SET c = mail REMOVE mail",
        "SET a = a + :n, b = :s",
        "REMOVE a, b, mail",
        "SET a = b, b = a",
        "SET a = if_not_exists(a, :m)",
    ]
)
VALUES = {":n": 1, ":m": 2, ":s": "x"}


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("dynamodb", REGION, aws_access_key_id="x", aws_secret_access_key="y")
        make_tables(client)
        yield client


def outcome(client: Any, update: str, condition: str) -> Any:
    used = {name: value for name, value in VALUES.items() if name in update + condition}
    request: dict[str, Any] = {"ExpressionAttributeValues": typed(used)} if used else {}
    try:
        answer = client.update_item(
            TableName="sessions",
            Key={"clientSession": {"S": "a#s"}},
            UpdateExpression=update,
            ConditionExpression=condition,
            ReturnValues="ALL_NEW",
            **request,
        )
    except ClientError as error:
        return error.response["Error"]["Code"]
    return answer["Attributes"]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(item=items, update=updates, condition=conditions)
def test_it_answers_as_moto_does(moto: Any, item: dict[str, Any], update: str, condition: str) -> None:
    stored = {**item, "clientSession": "a#s"}
    moto.put_item(TableName="sessions", Item=typed(stored))
    dynamodb = DynamoDB()
    dynamodb.put("sessions", stored, {})
    assert outcome(DynamoDBClient(dynamodb), update, condition) == outcome(moto, update, condition)
