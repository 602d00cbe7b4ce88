"""Programs that were started early and have their request: they become the guest at any moment (see become_guest)."""

import os
import select
import signal
import threading


class Becoming:
    """Holds these programs by pidfd, for a number may be another process's a moment later."""

    def __init__(self) -> None:
        self._held: dict[int, int] = {}
        self._lock = threading.Lock()

    def add(self, pid: int) -> None:
        """Counts a child of the runner's. Raises OSError."""
        with self._lock:
            self._held[pid] = os.pidfd_open(pid)

    def remove(self, pid: int) -> None:
        """Counts it no longer."""
        with self._lock:
            held = self._held.pop(pid, None)
            if held is not None:
                os.close(held)

    def kill(self) -> frozenset[int]:
        """Kills all of them, and returns those that were alive."""
        with self._lock:
            alive = {pid: held for pid, held in self._held.items() if not select.select([held], [], [], 0)[0]}
            for held in alive.values():
                signal.pidfd_send_signal(held, signal.SIGKILL)
            return frozenset(alive)
