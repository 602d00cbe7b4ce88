"""The sum of a run's requests, its limit, and what cut-off requests count."""

from typing import Any

import pytest
from workspace.agent.model_proxy.answer_meter import AnswerMeter
from workspace.agent.model_proxy.ledger import FINAL_STATUS, Ledger
from workspace.agent.model_proxy.request_rules import RefusalError

MODEL = "claude-opus-5-5"


class Book:
    def __init__(self, limit: float) -> None:
        self.logs: list[dict[str, Any]] = []
        self.ledger = Ledger(limit, lambda message, **values: self.logs.append({"message": message, **values}))

    def asked(self, model: str = MODEL) -> tuple[AnswerMeter, Any]:
        meter = AnswerMeter(model)
        meter.start("text/event-stream")
        return meter, self.ledger.open(meter, 4_000_000, regional=False)


def told(meter: AnswerMeter, tokens: int) -> None:
    meter.feed(b'data: {"type": "message_delta", "usage": {"output_tokens": %d}}\n' % tokens)


def test_requests_add_up_and_the_limit_refuses_the_next() -> None:
    book = Book(limit=1.0)
    for _ in range(2):
        meter, entry = book.asked()
        book.ledger.check()
        told(meter, 25_000)
        book.ledger.close(entry, complete=True)
    assert book.ledger.usd == pytest.approx(1.0) and not book.ledger.far_over
    with pytest.raises(RefusalError) as refused:
        book.ledger.check()
    assert refused.value.status == FINAL_STATUS and book.ledger.refused


def test_answers_in_parallel_are_cut_off_far_over_the_limit() -> None:
    book = Book(limit=0.1)
    meters = [book.asked()[0] for _ in range(10)]
    for meter in meters:
        told(meter, 4_000)
    assert book.ledger.far_over and book.ledger.refused


def test_a_refused_request_costs_nothing_and_an_abandoned_one_its_prompt() -> None:
    book = Book(limit=1.0)
    refused, abandoned = book.asked()[1], book.asked()[1]
    book.ledger.close(refused, complete=True)
    assert book.ledger.usd == 0
    book.ledger.close(abandoned, complete=False)
    assert book.ledger.usd == pytest.approx(4.0)


def test_at_the_end_of_a_run_its_open_requests_are_fixed() -> None:
    book = Book(limit=1.0)
    meter, entry = book.asked()
    told(meter, 10_000)
    book.ledger.close_all()
    told(meter, 90_000)
    book.ledger.close(entry, complete=True)
    assert book.ledger.usd == pytest.approx(0.2)


def test_an_unknown_model_is_warned_of_once() -> None:
    book = Book(limit=100.0)
    for _ in range(2):
        meter, entry = book.asked("claude-epos-9")
        told(meter, 1_000)
        book.ledger.close(entry, complete=True)
    assert [log["model"] for log in book.logs] == ["claude-epos-9"]
