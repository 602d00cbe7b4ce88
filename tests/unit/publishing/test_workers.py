"""Requests in many threads, and the handling of their errors."""

import threading

import pytest
from workspace.errors import StepStopped, StopReason

from sitewright.publishing.errors import LeaseUnavailable
from sitewright.publishing.objects import workers
from sitewright.publishing.objects.workers import for_each


def test_each_item_is_done_once_and_meanwhile_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "MEANWHILE_SECONDS", 0.001)
    done: list[int] = []
    looked = threading.Event()

    def work(number: int) -> None:
        assert looked.wait(10)
        done.append(number)

    for_each(range(100), work, looked.set)
    assert sorted(done) == list(range(100))


@pytest.mark.parametrize("broken", ["work", "meanwhile"])
def test_no_further_item_is_begun_after_an_error(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "MEANWHILE_SECONDS", 0.001)
    begun: list[int] = []
    failed = threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        if broken == "work":
            raise OSError
        assert failed.wait(10)

    def meanwhile() -> None:
        if broken == "meanwhile":
            failed.set()
            raise OSError

    with pytest.raises(OSError):
        for_each(range(1000), work, meanwhile)
    assert len(begun) <= 2 * workers.THREADS


def test_a_stop_is_raised_rather_than_the_failures_that_it_caused() -> None:
    together = threading.Barrier(3)
    errors = [OSError(), LeaseUnavailable("b", "k", "LeaseUnavailable", "lost"), StepStopped(StopReason.INTERRUPT)]

    def work(error: Exception) -> None:
        together.wait(10)
        raise error

    with pytest.raises(StepStopped):
        for_each(errors, work, lambda: None)
