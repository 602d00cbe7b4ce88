"""Failed messages of intake come back within seconds, in their order, and often enough before they are given up."""

import json
from itertools import accumulate
from typing import Any

import pytest

from lambdas.intake import handler as entry
from lambdas.intake.redelivery import redeliveries
from sitewright.contracts.redelivery import MAX_RECEIVES, pause_seconds
from tests.support.lambdas.intake_world import (
    World,
    command,
    world_fixture,  # noqa: F401 - a fixture
)
from tests.support.lambdas.lambda_context import CONTEXT

LONGEST_FAULT = 20 * 60


def record(name: str, group: str = "g", receives: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "messageId": f"m-{name}",
        "receiptHandle": f"r-{name}",
        "body": json.dumps(command(name, **changes)),
        "attributes": {"MessageGroupId": group, "ApproximateReceiveCount": str(receives)},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-west-2:123456789012:input.fifo",
    }


def test_a_message_comes_back_within_seconds_and_then_ever_later() -> None:
    assert [pause_seconds(receives) for receives in (1, 2, 3, 4)] == [2, 4, 8, 16]
    assert all(a <= b for a, b in zip(map(pause_seconds, range(1, 40)), map(pause_seconds, range(2, 41)), strict=True))


def test_a_fault_of_twenty_minutes_loses_no_command() -> None:
    pauses = list(accumulate(pause_seconds(receives) for receives in range(1, MAX_RECEIVES)))
    assert LONGEST_FAULT < pauses[-1] < 2 * LONGEST_FAULT


def test_all_messages_of_a_failed_group_come_back_together() -> None:
    records = [record("a", receives=3), record("other", "h"), record("b", receives=1), record("c", receives=2)]
    found = redeliveries(records, {"m-a", "m-b", "m-c"})
    assert [(each.message_id, each.receipt_handle) for each in found] == [(f"m-{n}", f"r-{n}") for n in "abc"]
    assert {each.seconds for each in found} == {pause_seconds(3)}


def test_groups_have_pauses_of_their_own() -> None:
    found = redeliveries([record("a", "g", 5), record("b", "h", 1)], {"m-a", "m-b"})
    assert [each.seconds for each in found] == [pause_seconds(5), pause_seconds(1)]


class Queue:
    """The queue's visibility timeouts."""

    def __init__(self, fails: bool = False) -> None:
        self.timeouts: dict[str, int] = {}
        self.fails = fails

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        assert QueueUrl.endswith("input.fifo")
        if self.fails:
            return {"Failed": [{"Id": entry["Id"], "Code": "InternalError"} for entry in Entries]}
        self.timeouts |= {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in Entries}
        return {"Successful": Entries}


@pytest.fixture
def queue(aws: pytest.MonkeyPatch, world: World) -> Queue:
    """Intake's handler, whose acceptance of the command `broken` fails like a table that cannot be reached."""
    queue = Queue()
    aws.setattr(entry, "client", lambda _: queue)
    handle = world.intake.handle

    def faulty(body: str, **more: Any) -> None:
        if "broken" in body:
            raise ConnectionError("the table cannot be reached")
        handle(body, **more)

    aws.setattr(entry, "_intake", lambda: type("Intake", (), {"handle": staticmethod(faulty)}))
    return queue


def invoke(*records: dict[str, Any]) -> set[str]:
    answer = entry.handler({"Records": list(records)}, CONTEXT)
    return {each["itemIdentifier"] for each in answer["batchItemFailures"]}


def test_a_transient_fault_costs_seconds_for_its_session_and_nothing_for_others(world: World, queue: Queue) -> None:
    other = record("c1", "other", sessionId="s2")
    failed = invoke(record("broken"), other, record("after"))
    assert failed == {"m-broken", "m-after"}, "a later message of the session waits for the failed one"
    assert queue.timeouts == {"r-broken": 2, "r-after": 2}
    assert world.status("c1", session="s2") == "RUNNING"
    assert world.status("after") == "NONE"


def test_a_batch_without_a_fault_changes_no_timeout(world: World, queue: Queue) -> None:
    assert invoke(record("c1")) == set()
    assert queue.timeouts == {}


def test_a_refused_change_still_reports_the_failed_messages(world: World, queue: Queue) -> None:
    queue.fails = True
    assert invoke(record("broken")) == {"m-broken"}
