"""A thread that repeats one job."""

import threading
from collections.abc import Callable
from typing import Self


class PeriodicThread:
    """Runs a job at once and then every `seconds`, until it is stopped or the job returns False."""

    def __init__(self, job: Callable[[], bool], seconds: float, name: str) -> None:
        self._job = job
        self._seconds = seconds
        self._ended = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self, *, wait: bool = True) -> None:
        """Ends the thread. Waits at most a second for a call under way."""
        self._ended.set()
        self._wake.set()
        if wait and self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def _loop(self) -> None:
        while self._job():
            self._wake.wait(self._seconds)
            self._wake.clear()
            if self._ended.is_set():
                return
