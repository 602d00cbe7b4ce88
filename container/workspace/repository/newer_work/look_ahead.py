"""Asks beside other work what is live and what the host has: the answers are mostly there when they are needed."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")
_POLL_SECONDS = 0.1


class Ahead(Generic[_T]):
    """One question that is asked in a thread of its own."""

    def __init__(self, ask: Callable[[], _T], name: str) -> None:
        self._ask = ask
        self._answer: _T
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._answer = self._ask()
        except Exception as error:
            self._error = error

    def answer(self, poll: Callable[[], None] | None = None) -> _T:
        """Waits for the answer. `poll` may raise to give up. Raises what the question raised."""
        while self._thread.is_alive():
            self._thread.join(_POLL_SECONDS)
            if poll is not None:
                poll()
        if self._error is not None:
            raise self._error
        return self._answer
