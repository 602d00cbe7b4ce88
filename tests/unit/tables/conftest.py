"""Each test of the tables runs against the double of DynamoDB, and against moto."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.support.dynamodb_double import DynamoDB, DynamoDBClient
from tests.support.lambdas.platform_tables import REGION, make_tables


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("dynamodb", REGION, aws_access_key_id="x", aws_secret_access_key="y")
        make_tables(client)
        yield client


@pytest.fixture(params=["double", "moto"])
def client(request: pytest.FixtureRequest) -> Any:
    return DynamoDBClient(DynamoDB()) if request.param == "double" else request.getfixturevalue("moto")
