"""The senders, one thread a session, and the collector of the answers."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from sitewright.local.stack_client import StackClient
from tools.chaos.promises import Sent
from tools.chaos.schedule import PlannedCommand

Json = dict[str, Any]


@dataclass
class ResponseCollector:
    """Takes every answer off the queue."""

    client: StackClient
    sessions: set[str]
    """Those of the run; answers to others are dropped."""
    responses: list[Json] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begins."""
        threading.Thread(target=self._loop, name="collector", daemon=True).start()

    def stop(self) -> None:
        """Ends."""
        self._ended.set()

    def answered(self, order: Sent) -> bool:
        """Tells whether the command is answered."""
        return any(a["sessionId"] == order.session_id and a["commandId"] == order.command_id for a in self.responses)

    def _loop(self) -> None:
        sqs, queue = self.client.aws.sqs, self.client.info["response_queue_url"]
        while not self._ended.is_set():
            try:
                got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
                for message in got.get("Messages", []):
                    answer = json.loads(message["Body"])
                    if answer["sessionId"] in self.sessions:
                        self.responses.append(answer)
                    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            except (BotoCoreError, ClientError):
                time.sleep(0.5)


@dataclass
class CommandSender:
    """Sends the orders of the sessions, a few sessions at a time."""

    client: StackClient
    collector: ResponseCollector
    deadline: float
    log: Callable[[str], None]
    sent: list[PlannedCommand] = field(default_factory=list)

    def send(self, sessions: list[list[PlannedCommand]], at_a_time: int) -> None:
        """Sends all; returns when every session has had its last answer, or at the deadline."""
        gate = threading.Semaphore(at_a_time)
        threads = [threading.Thread(target=self._session, args=(orders, gate), daemon=True) for orders in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _session(self, orders: list[PlannedCommand], gate: threading.Semaphore) -> None:
        with gate:
            for order in orders:
                if time.monotonic() > self.deadline:
                    return
                self._fault(order)
                self.client.send(order.instruction, order.client_id, order.session_id, None, order.command_id)
                self.sent.append(order)
                if order.interrupt_after is not None:
                    time.sleep(order.interrupt_after)
                    continue
                while not self.collector.answered(order) and time.monotonic() < self.deadline:
                    time.sleep(0.2)
            self.log(f"{orders[0].session_id}: all sent")

    def _fault(self, order: PlannedCommand) -> None:
        url = f"{self.client.info['demo_model_url']}/_faults"
        httpx.post(url, json={"match": order.mark, "delaySeconds": order.model_delay}, trust_env=False)
