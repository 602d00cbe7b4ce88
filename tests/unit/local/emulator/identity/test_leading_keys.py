"""Which partition keys a request names."""

from typing import Any

import pytest

from sitewright.local.emulator.identity.leading_keys import leading_keys


def key(table: str) -> str | None:
    return {"sessions": "clientSession", "deployments": "clientId"}.get(table)


def of(value: str, name: str = "clientSession") -> dict[str, Any]:
    return {name: {"S": value}, "other": {"S": "x"}}


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        ({"TableName": "sessions", "Key": of("amelia#s")}, ["amelia#s"]),
        ({"TableName": "arn:aws:dynamodb:us-west-2:1:table/sessions", "Key": of("amelia#s")}, ["amelia#s"]),
        ({"TableName": "deployments", "Item": of("amelia", "clientId")}, ["amelia"]),
        ({"TableName": "sessions", "ExpressionAttributeValues": {":k": {"S": "amelia#s"}}}, []),
        ({"TableName": "unknown", "Key": of("amelia#s")}, []),
        ({"RequestItems": {"sessions": {"Keys": [of("a#1"), of("b#1")]}}}, ["a#1", "b#1"]),
        (
            {
                "TransactItems": [
                    {"Put": {"TableName": "sessions", "Item": of("a#1")}},
                    {"ConditionCheck": {"TableName": "deployments", "Key": of("b", "clientId")}},
                ]
            },
            ["a#1", "b"],
        ),
    ],
)
def test_the_keys_of_a_request(request_: dict[str, Any], found: list[str]) -> None:
    assert leading_keys(request_, key) == found
