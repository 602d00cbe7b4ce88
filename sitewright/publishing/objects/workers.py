"""Runs the requests of a publish in many threads, while the calling thread renews the lease."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from sitewright.publishing.errors import LeaseUnavailable, PublishError, PublishStopped

THREADS = 96
"""Concurrent requests. S3 answers a small PutObject after tens of milliseconds: throughput is concurrency divided by latency
(docs/publishing.md, "With a slower endpoint")."""

MEANWHILE_SECONDS = 1.0
"""How often the calling thread runs `meanwhile`."""

T = TypeVar("T")


def for_each(items: Sequence[T], work: Callable[[T], None], meanwhile: Callable[[], None]) -> None:
    """Calls `work` for each item in worker threads, and `meanwhile` every MEANWHILE_SECONDS in this thread.

    Starts no further item once one has failed or `meanwhile` has raised. Raises the most important of the errors.
    """
    if not items:
        return
    pending, lock, cancelled = iter(items), threading.Lock(), threading.Event()

    def work_off() -> None:
        while not cancelled.is_set():
            with lock:
                item = next(pending, None)
            if item is None:
                return
            try:
                work(item)
            except BaseException:
                cancelled.set()
                raise

    # One future per thread: one per file would cost 40 MB for 20,000 files.
    with ThreadPoolExecutor(min(THREADS, len(items))) as pool:
        try:
            workers = [pool.submit(work_off) for _ in range(min(THREADS, len(items)))]
            while wait(workers, timeout=MEANWHILE_SECONDS).not_done:
                meanwhile()
        except BaseException:
            cancelled.set()
            raise
    _raise_most_important(workers)


def _raise_most_important(workers: Sequence[Future[None]]) -> None:
    errors = [error for worker in workers if (error := worker.exception()) is not None]
    if errors:
        raise min(errors, key=_rank)


def _rank(error: BaseException) -> int:
    # A stop or a lost lease explains the other failures. A final refusal matters more than a transient error.
    if isinstance(error, PublishStopped):
        return 0
    if isinstance(error, LeaseUnavailable):
        return 1
    return 2 if isinstance(error, PublishError) and error.is_final else 3
