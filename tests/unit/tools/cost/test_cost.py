"""What a request is billed as, and a bill from counts."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tools.cost import prices
from tools.cost.bill import MessageCounts, TaskSize, bill, count, fargate_seconds, month
from tools.cost.billed_calls import LOCAL_USER_AGENT, TOKEN_BYTES, BilledCall, classify, item_bytes, write_units
from tools.cost.cost_page import total
from tools.cost.cost_run import seconds


def call(service: str, operation: str, request: Any = None, response: Any = None, **more: str) -> list[BilledCall]:
    headers = {
        "authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/us-west-2/{service}/aws4_request, Signature=0",
        "x-amz-target": f"Service_1.{operation}",
        **more,
    }
    return classify(
        "POST",
        "/",
        "",
        headers,
        request=json.dumps(request or {}).encode(),
        response=json.dumps(response or {}).encode(),
    )


def s3(method: str, path: str, query: str = "") -> str:
    headers = {"authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-west-2/s3/aws4_request, Signature=0"}
    return classify(method, path, query, headers, request=b"", response=b"")[0].price


def test_the_local_stacks_own_calls_and_unsigned_ones_are_not_counted() -> None:
    assert not call("sqs", "SendMessage", **{"user-agent": f"Boto3/1 {LOCAL_USER_AGENT}"})
    assert not classify("GET", "/_ministack/health", "", {}, request=b"", response=b"")


@pytest.mark.parametrize(
    ("method", "path", "query", "price"),
    [
        ("GET", "/edit.amelia.example.com", "list-type=2&prefix=x", "s3_put"),
        ("GET", "/edit.amelia.example.com/", "list-type=2", "s3_put"),
        ("GET", "/bucket/a/b.html", "", "s3_get"),
        ("HEAD", "/bucket/a", "", "s3_get"),
        ("PUT", "/bucket/a", "", "s3_put"),
        ("POST", "/bucket/a", "uploads", "s3_put"),
        ("POST", "/bucket", "delete", "s3_free"),
        ("DELETE", "/bucket/a", "versionId=1", "s3_free"),
    ],
)
def test_s3_requests_by_what_they_cost(method: str, path: str, query: str, price: str) -> None:
    assert s3(method, path, query) == price


def test_writes_are_billed_by_the_kilobyte_of_the_item_they_leave() -> None:
    attributes = {"sessionId": {"S": "s"}, "note": {"S": "x" * 2000}}
    assert call("dynamodb", "UpdateItem", {"TableName": "t", "Key": {}}, {"Attributes": attributes})[0].units == 2
    assert [write_units(size) for size in (0, 1024, 1025)] == [1, 1, 2]


def test_a_write_that_does_not_tell_its_items_size_is_looked_up() -> None:
    key = {"sessionId": {"S": "s"}}
    found = call("dynamodb", "UpdateItem", {"TableName": "t", "Key": key})[0]
    line = {"kind": "call", **vars(found)}

    assert found.key == {"table": "t", "key": key}
    assert count([line], {repr(found.key): 3}).units == {"dynamodb_write": {"UpdateItem": 3}}


def test_a_transaction_costs_twice_and_the_index_of_open_commands_too() -> None:
    put = {"Put": {"TableName": "commands", "Item": {"commandId": {"S": "c"}, "open": {"S": "open"}}}}
    found = call("dynamodb", "TransactWriteItems", {"TransactItems": [put]})
    assert [(one.operation, one.units) for one in found] == [("TransactWrite Put", 2), ("TransactWrite Put (index)", 2)]


def test_a_strongly_consistent_read_costs_twice_the_other() -> None:
    item = {"Item": {"text": {"S": "x" * 5000}}}
    assert call("dynamodb", "GetItem", {"TableName": "t", "ConsistentRead": True}, item)[0].units == 2
    (look,) = call("dynamodb", "GetItem", {"TableName": "t"}, item)
    assert (look.units, look.detail) == (1, "look")
    assert call("dynamodb", "Query", {"TableName": "t"}, {"Items": []})[0].units == 0.5


def test_a_task_token_is_as_long_as_on_aws() -> None:
    assert item_bytes({"taskToken": {"S": "short"}}) == len("taskToken") + TOKEN_BYTES
    assert item_bytes({"a": {"L": [{"BOOL": True}]}, "n": {"N": "1234"}}) == 1 + 3 + 1 + 1 + 1 + 4


def test_refreshes_and_looks_are_kept_apart_and_lambdas_added_up() -> None:
    refresh = call(
        "dynamodb", "UpdateItem", {"TableName": "t", "Key": {}, "UpdateExpression": "SET aliveUntil = :until"}, {}
    )[0]
    look = call("dynamodb", "GetItem", {"TableName": "t"}, {})[0]
    found = count(
        [
            {"kind": "call", **vars(refresh), "key": None},
            {"kind": "call", **vars(look)},
            {"kind": "lambda", "seconds": 2.0, "gb": 0.25, "function": "f"},
        ],
        {},
    )
    assert (found.refreshes, found.refresh_units, found.units) == (1, 1, {})
    assert (found.looks, found.look_units) == (1, 0.5)
    assert (found.lambda_calls, found.gb_seconds) == (1, 0.5)


def test_billed_seconds_by_kind_of_message() -> None:
    task = TaskSize(start_seconds=50, model_seconds=60, idle_seconds=300, pause_seconds=30)
    assert fargate_seconds(20, task, kind="first") == 50 + 20 + 60 + 300
    assert fargate_seconds(20, task, kind="following") == 30 + 20 + 60
    assert fargate_seconds(20, task, kind="alone") == 50 + 20 + 60
    assert fargate_seconds(1, replace(task, start_seconds=1, model_seconds=2), kind="alone") == 60, "the least"


def test_a_bill_adds_up_from_the_one_price_list() -> None:
    listed = prices.load()
    idle = MessageCounts(span=10, refreshes=20, refresh_units=20, looks=80, look_units=40)
    counted = MessageCounts(steps=[1.0], span=1.0, transitions=8, refreshes=2, refresh_units=4)
    rows = bill(counted, listed, TaskSize(), kind="following", waiting=idle)
    usd = {row.price: row.usd for row in rows}

    assert usd["sfn_transition"] == pytest.approx(0.0002)
    assert usd["fargate_vcpu_second"] == pytest.approx(2 * 121 * 0.03238 / 3600)
    assert next(row.units for row in rows if row.price == "dynamodb_write") == pytest.approx(61 * 2 * 2 + 60 * 2 * 1)
    assert next(row.units for row in rows if row.price == "dynamodb_read") == pytest.approx(60 * 4)
    assert total(rows) == pytest.approx(sum(row.usd for row in rows))
    assert total(month(MessageCounts(), 3, 1, listed)) > 0.7


def test_seconds_of_steps_from_the_workspaces_log() -> None:
    log = [
        {"time": "1970-01-01T00:00:12+00:00", "message": "workspace ready", "seconds": 2.0},
        {"time": "1970-01-01T00:00:15+00:00", "message": "step done"},
        {"time": "1970-01-01T00:00:17+00:00", "message": "workspace ready", "seconds": 1.0},
        {"time": "1970-01-01T00:00:20+00:00", "message": "step done"},
    ]
    assert seconds(log) == ([5.0, 4.0], 10.0)
