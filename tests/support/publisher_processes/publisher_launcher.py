"""Starts and ends publisher processes for a test."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from sitewright.local.machine.stack_home import REPOSITORY_ROOT
from tests.support.publisher_processes.forking_publisher import Order, line_of, log_of


@dataclass
class Publisher:
    """One publisher process."""

    order: Order
    pid: "Future[int]" = field(default_factory=Future)
    code: "Future[int]" = field(default_factory=Future)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal if the process still runs."""
        if not self.code.done():
            os.kill(self.pid.result(10), number)

    def kill(self) -> None:
        """Sends SIGKILL, and waits until the process is dead."""
        self.send(signal.SIGKILL)
        self.code.result(10)

    def wait(self, seconds: float = 60) -> int:
        """Waits for the process's end and returns its exit code."""
        return self.code.result(seconds)

    @property
    def said(self) -> str:
        """Returns the deployment's id, or the error."""
        return Path(self.order.report).read_text()

    @property
    def waited(self) -> bool:
        """Returns whether the publisher waited for another publisher's lease."""
        log = log_of(self.order)
        return log.exists() and "Waiting for another publish" in log.read_text()


class Publishers:
    """The process that forks the publishers."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.publisher_processes.forking_publisher"],
            cwd=REPOSITORY_ROOT,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(REPOSITORY_ROOT), str(REPOSITORY_ROOT / "container")]),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._numbers = count(1)
        self._all: dict[int, Publisher] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, order: Order) -> Publisher:
        """Starts a publisher."""
        assert self._process.stdin is not None
        with self._lock:
            order = replace(order, number=next(self._numbers))
            started = self._all[order.number] = Publisher(order)
            self._process.stdin.write(line_of(order))
            self._process.stdin.flush()
        return started

    def close(self) -> None:
        """Ends the running publishers."""
        for publisher in self._all.values():
            publisher.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._log.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event, number, value = json.loads(line)
            publisher = self._all[number]
            (publisher.pid if event == "started" else publisher.code).set_result(value)
