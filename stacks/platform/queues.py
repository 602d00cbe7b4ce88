"""The queues of commands, responses, and failed messages and events."""

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from sitewright.contracts.redelivery import MAX_RECEIVES
from stacks.accepted_findings import accept

INTAKE_TIMEOUT = Duration.seconds(60)
SSE_SQS = sqs.QueueEncryption.SQS_MANAGED
"""Encryption by a key of SQS' own, which costs nothing."""


class Queues(Construct):
    """The FIFO input queue, its dead-letter queue, the FIFO response queue, and the queue of failed events."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = sqs.Queue(
            self, "DeadLetters", fifo=True, retention_period=Duration.days(14), enforce_ssl=True, encryption=SSE_SQS
        )
        self.input = sqs.Queue(
            self,
            "Input",
            fifo=True,
            # A commandId is unique in its session only. With the queue as scope SQS would drop a command whose id another
            # session has used (SQS API reference, CreateQueue, DeduplicationScope).
            deduplication_scope=sqs.DeduplicationScope.MESSAGE_GROUP,
            enforce_ssl=True,
            encryption=SSE_SQS,
            retention_period=Duration.days(4),
            # Only a function that died leaves a message to this timeout: intake shortens it for those that it failed.
            # Lambda can retry a throttled batch only with at least six times the function's timeout (Lambda developer
            # guide, "Creating and configuring an Amazon SQS event source mapping").
            visibility_timeout=Duration.seconds(INTAKE_TIMEOUT.to_seconds() * 6),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=MAX_RECEIVES),
        )
        self.response = sqs.Queue(
            self, "Response", fifo=True, retention_period=Duration.days(14), enforce_ssl=True, encryption=SSE_SQS
        )
        accept(
            self.response,
            "The clients' own program receives from this queue. How often it may fail with a response is its decision.",
            "AwsSolutions-SQS3",
        )
        # Events that EventBridge could not deliver or a function failed to handle. Neither can send to a FIFO queue.
        self.failed_events = sqs.Queue(
            self, "FailedEvents", retention_period=Duration.days(14), enforce_ssl=True, encryption=SSE_SQS
        )
        accept(self.failed_events, "The queue is itself the dead-letter queue of the event rules.", "AwsSolutions-SQS3")
