"""The sum of a run's requests, its limit, the turns of requests in parallel, and what cut-off requests count."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from workspace.agent.model_proxy.ledger import FINAL_STATUS, Entry, Ledger
from workspace.agent.model_proxy.request_body import Asked
from workspace.agent.model_proxy.request_rules import RefusalError

MODEL = "claude-opus-5-5"
BODY_BYTES = 100_000
MOST_USD = (BODY_BYTES * 5 + 25_000 * 20) / 1_000_000 * 1.1
"""What a request of this test may cost: a prompt that is written to the cache, and a full answer."""


class Book:
    def __init__(self, limit: float, **more: Any) -> None:
        self.logs: list[dict[str, Any]] = []
        self.ledger = Ledger(limit, lambda message, **values: self.logs.append({"message": message, **values}), **more)

    def begun(self, model: str = MODEL, *, max_tokens: int = 25_000, open_ended: bool = False) -> Entry:
        asked = Asked(model, max_tokens, BODY_BYTES, open_ended=open_ended)
        entry = self.ledger.begin(asked, BODY_BYTES, regional=False)
        assert entry is not None
        entry.meter.start("text/event-stream")
        return entry

    def waiting(self, **asked: Any) -> "Waiting":
        return Waiting(lambda: self.begun(**asked))


class Waiting:
    """A request of another thread, which may have to wait for its turn."""

    def __init__(self, begin: Callable[[], Entry]) -> None:
        self.entry: Entry | None = None
        self.refusal: RefusalError | None = None
        self._begin = begin
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.entry = self._begin()
        except RefusalError as refusal:
            self.refusal = refusal

    def waits(self) -> bool:
        self._thread.join(0.05)
        return self._thread.is_alive()

    def done(self) -> Entry | None:
        self._thread.join(5)
        assert not self._thread.is_alive()
        return self.entry


def told(entry: Entry, tokens: int) -> None:
    entry.meter.feed(b'data: {"type": "message_delta", "usage": {"output_tokens": %d}}\n' % tokens)


def announced(entry: Entry, tokens: int) -> None:
    entry.meter.feed(
        b'data: {"type": "message_start", "message": {"usage": {"cache_read_input_tokens": %d}}}\n' % tokens
    )


def test_requests_add_up_and_the_limit_refuses_the_next() -> None:
    book = Book(limit=1.0)
    for _ in range(2):
        entry = book.begun()
        told(entry, 25_000)
        book.ledger.close(entry, complete=True)
    assert book.ledger.usd == pytest.approx(1.0) and not book.ledger.far_over
    with pytest.raises(RefusalError) as refused:
        book.begun()
    assert refused.value.status == FINAL_STATUS and book.ledger.refused


def test_requests_begin_at_once_while_their_most_fits() -> None:
    book = Book(limit=3.5 * MOST_USD)
    assert len([book.begun() for _ in range(3)]) == 3
    fourth = book.waiting()
    assert fourth.waits()


def test_a_request_alone_begins_even_if_it_may_exceed_the_limit() -> None:
    book = Book(limit=0.1)
    first = book.begun()
    second = book.waiting()
    assert second.waits()
    told(first, 100)
    book.ledger.close(first, complete=True)
    assert second.done() is not None


def test_a_refused_answer_frees_its_reservation() -> None:
    book = Book(limit=0.1)
    first, second = book.begun(), book.waiting()
    assert second.waits()
    book.ledger.close(first, complete=True)
    assert second.done() is not None and book.ledger.usd == 0


def test_the_beginning_of_an_answer_frees_what_its_prompt_did_not_cost() -> None:
    book = Book(limit=1.9 * MOST_USD)
    first, second = book.begun(), book.waiting()
    assert second.waits()
    announced(first, 50_000)
    book.ledger.look_again()
    assert second.done() is not None
    assert first.reserved_usd == pytest.approx((50_000 * 0.2 + 25_000 * 20) / 1_000_000)


def test_an_answer_that_tells_no_prompt_keeps_its_reservation() -> None:
    book = Book(limit=10.0)
    entry = book.begun()
    announced(entry, 0)
    assert entry.meter.begun and entry.reserved_usd == pytest.approx(MOST_USD)


def test_a_request_without_a_limit_beforehand_keeps_its_reservation_to_the_end() -> None:
    book = Book(limit=10.0)
    entry = book.begun(open_ended=True)
    announced(entry, 50_000)
    assert entry.reserved_usd == pytest.approx(MOST_USD)
    told(entry, 200_000)
    assert entry.reserved_usd > 4.0


@pytest.mark.parametrize("first_is", [True, False])
def test_a_request_without_a_limit_beforehand_runs_alone(first_is: bool) -> None:
    book = Book(limit=100.0)
    first, second = book.begun(open_ended=first_is), book.waiting(open_ended=not first_is)
    assert second.waits()
    book.ledger.close(first, complete=True)
    assert second.done() is not None


def test_requests_begin_in_the_order_of_their_arrival() -> None:
    book = Book(limit=1.5 * MOST_USD)
    first, large = book.begun(), book.waiting()
    assert large.waits()
    small = book.waiting(max_tokens=1)
    assert small.waits()
    book.ledger.close(first, complete=True)
    assert large.done() is not None


def test_what_waits_is_refused_once_the_limit_is_reached() -> None:
    book = Book(limit=0.4)
    first, waiting = book.begun(), [book.waiting() for _ in range(5)]
    assert all(request.waits() for request in waiting)
    told(first, 25_000)
    book.ledger.close(first, complete=True)
    for request in waiting:
        assert request.done() is None and request.refusal is not None
        assert request.refusal.status == FINAL_STATUS


def test_a_wait_ends_after_a_while_with_an_answer_that_is_repeated() -> None:
    book = Book(limit=0.1, wait_seconds=0.1)
    first, second = book.begun(), book.waiting()
    assert second.done() is None and second.refusal is not None and second.refusal.status == 529
    book.ledger.close(first, complete=True)
    assert book.begun() is not None


def test_a_client_that_goes_away_waits_no_longer() -> None:
    book, gone = Book(limit=0.1), threading.Event()
    first = book.begun()
    results: list[Entry | None] = []
    asked = Asked(MODEL, 1, BODY_BYTES)
    thread = threading.Thread(
        target=lambda: results.append(book.ledger.begin(asked, 1, regional=False, given_up=gone.is_set)), daemon=True
    )
    thread.start()
    time.sleep(0.05)
    assert results == []
    gone.set()
    book.ledger.look_again()
    thread.join(5)
    assert results == [None] and book.ledger.requests == 1
    book.ledger.close(first, complete=True)
    assert book.begun() is not None


def test_an_answer_is_cut_off_far_over_the_limit() -> None:
    book = Book(limit=0.1)
    entry = book.begun()
    told(entry, 30_000)
    assert not book.ledger.far_over
    told(entry, 40_000)
    assert book.ledger.far_over and book.ledger.refused


def test_a_refused_request_costs_nothing_and_a_cut_off_one_its_prompt() -> None:
    book = Book(limit=10.0)
    refused, cut_off = book.begun(), book.begun()
    book.ledger.close(refused, complete=True)
    assert book.ledger.usd == 0
    book.ledger.close(cut_off, complete=False)
    assert book.ledger.usd == pytest.approx(BODY_BYTES / 4 * 4 / 1_000_000)


def test_an_answer_whose_client_went_away_before_its_end_counts_with_its_most() -> None:
    book = Book(limit=10.0)
    silent, whole = book.begun(), book.begun()
    told(whole, 100)
    book.ledger.close(whole, complete=True, abandoned=True)
    assert book.ledger.usd == pytest.approx(100 * 20 / 1_000_000)
    book.ledger.close(silent, complete=False, abandoned=True)
    assert book.ledger.usd == pytest.approx(100 * 20 / 1_000_000 + MOST_USD)


def test_what_the_api_asked_besides_is_paid_at_its_own_price() -> None:
    book = Book(limit=10.0)
    entry = book.begun("claude-haiku-4-5", open_ended=True)
    besides = b'[{"type": "advisor_message", "model": "claude-opus-5", "output_tokens": 40000}]'
    entry.meter.feed(b'data: {"type": "message_delta", "usage": {"output_tokens": 0, "iterations": %b}}\n' % besides)
    book.ledger.close(entry, complete=True)
    assert book.ledger.usd == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("stopped", "usd"),
    [(False, MOST_USD + 25_000 * 20 / 1_000_000), (True, (BODY_BYTES / 4 * 4 + 10_000 * 20) / 1_000_000)],
)
def test_at_the_end_of_a_run_its_open_requests_are_fixed(stopped: bool, usd: float) -> None:
    book = Book(limit=10.0)
    silent, begun = book.begun(), book.begun()
    announced(begun, 1)
    told(begun, 10_000)
    book.ledger.close_all(stopped=stopped)
    told(begun, 90_000)
    for entry in (silent, begun):
        book.ledger.close(entry, complete=True)
    assert book.ledger.usd == pytest.approx(usd, abs=0.001)


def test_at_the_end_of_a_run_nothing_that_waits_begins() -> None:
    book = Book(limit=0.1)
    book.begun()
    asked, results = Asked(MODEL, 1, BODY_BYTES), list[Entry | None]()

    def begin() -> None:
        results.append(book.ledger.begin(asked, 1, regional=False))

    thread = threading.Thread(target=begin, daemon=True)
    thread.start()
    while not book.ledger.waiting:
        time.sleep(0.01)
    book.ledger.close_all()
    thread.join(5)
    begin()
    assert results == [None, None] and book.ledger.requests == 1


def test_an_unknown_model_is_warned_of_once() -> None:
    book = Book(limit=100.0)
    for _ in range(2):
        entry = book.begun("claude-epos-9")
        told(entry, 1_000)
        book.ledger.close(entry, complete=True)
    assert [log["model"] for log in book.logs] == ["claude-epos-9"]


def test_fields_of_unknown_cost_are_warned_of_once() -> None:
    book = Book(limit=100.0)
    for _ in range(2):
        asked = Asked(MODEL, 1, 1, open_ended=True, unknown=("a_new_feature",))
        entry = book.ledger.begin(asked, 1, regional=False)
        assert entry is not None
        book.ledger.close(entry, complete=True)
    assert [log["fields"] for log in book.logs] == [("a_new_feature",)]
