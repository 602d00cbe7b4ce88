"""The gate between the programs of the guest and the use of a credential."""

import contextlib
import threading
from collections.abc import Iterator

ABSENT_SECONDS = 75.0
"""How long the start of a guest's program waits for a push. A push in the background ends after 60 s."""


class Gate:
    """Either programs of the guest run, or one thread needs them to be absent."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._at_work = 0
        self._closer: int | None = None
        self._depth = 0

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """The block in which a program of the guest starts, or a short one works. Raises TimeoutError."""
        with self._changed:
            if self._closer == threading.get_ident():
                raise RuntimeError("a program of the guest starts while the guest has to be absent")
            if not self._changed.wait_for(lambda: self._closer is None, ABSENT_SECONDS):
                raise TimeoutError("no program of the guest could start: a credential is in use")
            self._at_work += 1
        try:
            yield
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def closed(self, patience: float) -> Iterator[None]:
        """The block in which none starts. It begins when no short one works, after `patience` seconds at the latest.

        Raises TimeoutError.
        """
        with self._changed:
            me = threading.get_ident()
            if self._closer != me:
                if not self._changed.wait_for(lambda: self._closer is None, ABSENT_SECONDS):
                    raise TimeoutError("another thread has used a credential for too long")
                self._closer = me
                self._changed.wait_for(lambda: self._at_work == 0, patience)
            self._depth += 1
        try:
            yield
        finally:
            with self._changed:
                self._depth -= 1
                if self._depth == 0:
                    self._closer = None
                    self._changed.notify_all()
