"""The threads of a publish: one piece of work for each of many things, while the publish keeps its hold of the site."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from workspace.errors import StepStopped

from sitewright.publishing.errors import PublishError, SiteTaken

THREADS = 96
"""Requests under way. S3 answers a small PutObject after tens of milliseconds: what is not under way meanwhile is not sent
(docs/publishing.md, "With a slower endpoint")."""

LOOK_SECONDS = 1.0
"""How often is seen to the hold of the site while the threads work."""

T = TypeVar("T")


def for_each(things: Sequence[T], work: Callable[[T], None], meanwhile: Callable[[], None]) -> None:
    """Does `work` for each, many at a time, and calls `meanwhile` all the time in this thread.

    Begins no further piece once one failed or `meanwhile` raised. Raises the weightiest of what was raised.
    """
    if not things:
        return
    waiting, lock, cancelled = iter(things), threading.Lock(), threading.Event()

    def take_turns() -> None:
        while not cancelled.is_set():
            with lock:
                thing = next(waiting, None)
            if thing is None:
                return
            try:
                work(thing)
            except BaseException:
                cancelled.set()
                raise

    # A future a file would cost 20,000 files some 40 MB.
    with ThreadPoolExecutor(min(THREADS, len(things))) as pool:
        try:
            workers = [pool.submit(take_turns) for _ in range(min(THREADS, len(things)))]
            while wait(workers, timeout=LOOK_SECONDS).not_done:
                meanwhile()
        except BaseException:
            cancelled.set()
            raise
    _raise_worst(workers)


def _raise_worst(workers: Sequence[Future[None]]) -> None:
    errors = [error for worker in workers if (error := worker.exception()) is not None]
    if errors:
        raise min(errors, key=_rank)


def _rank(error: BaseException) -> int:
    # A stop explains what else failed; so does a site that was taken over. What S3 will refuse again weighs more than a fault.
    if isinstance(error, StepStopped):
        return 0
    if isinstance(error, SiteTaken):
        return 1
    return 2 if isinstance(error, PublishError) and error.is_final else 3
