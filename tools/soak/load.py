"""Sends the commands of a soak run, a few sessions at a time, while the memory is sampled."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sitewright.local.stack_client import StackClient
from tools.chaos.sending import ResponseCollector
from tools.soak.plan import SoakCommand

Json = dict[str, Any]
POLL_SECONDS = 0.2


@dataclass
class Load:
    """The senders, one thread a session."""

    client: StackClient
    collector: ResponseCollector
    deadline: float
    """On the monotonic clock: no command is sent after it, and no answer awaited."""
    say: Callable[[str], None]
    sent: list[SoakCommand] = field(default_factory=list)

    def send(self, sessions: Sequence[Sequence[SoakCommand]], at_a_time: int) -> None:
        """Sends all; returns when every session has had its last answer, or at the deadline."""
        gate = threading.Semaphore(at_a_time)
        threads = [threading.Thread(target=self._session, args=(orders, gate), daemon=True) for orders in sessions]
        for thread in threads:
            thread.start()
        watcher = threading.Thread(target=self._progress, args=(threads, sum(map(len, sessions))), daemon=True)
        watcher.start()
        for thread in threads:
            thread.join()

    def _session(self, orders: Sequence[SoakCommand], gate: threading.Semaphore) -> None:
        with gate:
            for order in orders:
                if time.monotonic() > self.deadline:
                    return
                self.client.send(order.instruction, order.client_id, order.session_id, None, order.command_id)
                self.sent.append(order)
                while not self.collector.answered(order) and time.monotonic() < self.deadline:
                    time.sleep(POLL_SECONDS)

    def _progress(self, threads: Sequence[threading.Thread], commands: int) -> None:
        while any(thread.is_alive() for thread in threads):
            time.sleep(20)
            self.say(f"{len(self.collector.responses)}/{commands} answers")


def failed(responses: Sequence[Json]) -> list[str]:
    """Returns the commands that did not succeed. Pure."""
    return [
        f"{a['commandId']}: {a['status']} {(a['error'] or {}).get('code', '')}" for a in responses if not a["success"]
    ]


def wait(done: Callable[[], bool], seconds: float) -> bool:
    """Waits until something is done, so many seconds at most."""
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.5)
    return done()
