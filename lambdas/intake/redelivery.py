"""Makes SQS deliver the failed messages of a batch again within seconds.

The partial batch response keeps a failed message in the queue, and leaves its visibility timeout as it is (Lambda developer
guide, "Handling errors for an SQS event source in Lambda"). So the function shortens the timeout itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.redelivery import pause_seconds


@dataclass(frozen=True)
class Redelivery:
    """A failed message, and when it comes back."""

    message_id: str
    receipt_handle: str
    seconds: int


def redeliveries(records: list[dict[str, Any]], failed: set[str]) -> list[Redelivery]:
    """Returns the failed messages of a batch, in order. `failed` are their ids.

    All messages of a group get the same pause: a message that stays in flight blocks its group, also the messages before it
    (https://repost.aws/knowledge-center/sqs-fifo-messages-not-returned). SQS keeps their order.
    """
    left = [record for record in records if record["messageId"] in failed]
    receives: dict[str, int] = {}
    for record in left:
        count = int(record["attributes"].get("ApproximateReceiveCount", 1))
        receives[_group(record)] = max(count, receives.get(_group(record), 1))
    return [
        Redelivery(record["messageId"], record["receiptHandle"], pause_seconds(receives[_group(record)]))
        for record in left
    ]


def redeliver(sqs: Any, queue_url: str, messages: list[Redelivery], log: Callable[..., None]) -> None:
    """Shortens the messages' visibility timeouts. Where SQS refuses, the message comes back after the queue's own timeout."""
    for start in range(0, len(messages), 10):
        entries = [
            {"Id": str(number), "ReceiptHandle": each.receipt_handle, "VisibilityTimeout": each.seconds}
            for number, each in enumerate(messages[start : start + 10])
        ]
        try:
            refused = sqs.change_message_visibility_batch(QueueUrl=queue_url, Entries=entries).get("Failed")
        except (BotoCoreError, ClientError) as error:
            refused = repr(error)
        if refused:
            log("failed messages come back late", refused=str(refused)[:1000])


def _group(record: dict[str, Any]) -> str:
    return str(record["attributes"].get("MessageGroupId") or record["messageId"])
