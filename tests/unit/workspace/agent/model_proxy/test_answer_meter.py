"""The tokens of an answer, read from its bytes in pieces of any size."""

import base64
import json
from typing import Any

import pytest
from workspace.agent.model_proxy.answer_meter import EVENT_STREAM, AnswerMeter

from sitewright.contracts.model.model_prices import Usage
from tests.support.workspace.bedrock_model import framed

START = {
    "type": "message_start",
    "message": {
        "model": "claude-opus-5-5-20260901",
        "usage": {
            "input_tokens": 10,
            "output_tokens": 1,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 5,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        },
    },
}
TEXT = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "ä" * 30}}
DELTA = {
    "type": "message_delta",
    "usage": {
        "output_tokens": 40,
        "input_tokens": None,
        "cache_creation_input_tokens": 33,
        "server_tool_use": {"web_search_requests": 2},
    },
}
WHOLE = Usage(10, 40, 10, 23, 5, 2)


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(f"event: {e['type']}\r\ndata: {json.dumps(e)}\r\n\r\n".encode() for e in events)


def stream(*events: dict[str, Any]) -> bytes:
    return b"".join(framed({"bytes": base64.b64encode(json.dumps(e).encode()).decode()}) for e in events)


def metered(content_type: str, body: bytes, size: int, *, whole: bool = True) -> AnswerMeter:
    meter = AnswerMeter("asked-for")
    meter.start(content_type)
    for start in range(0, len(body), size):
        meter.feed(body[start : start + size])
    if whole:
        meter.end()
    return meter


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/event-stream; charset=utf-8", sse(START, TEXT, {"type": "ping"}, DELTA, DELTA)),
        (EVENT_STREAM, stream(START, TEXT, DELTA, DELTA)),
        (
            "application/json",
            json.dumps(
                {"model": START["message"]["model"], "usage": START["message"]["usage"] | {**DELTA["usage"], "input_tokens": 10}}  # type: ignore[index,operator,dict-item]
            ).encode(),
        ),
    ],
    ids=["sse", "event stream", "json"],
)  # fmt: skip
def test_an_answer_tells_its_usage_and_its_model(content_type: str, body: bytes, size: int) -> None:
    meter = metered(content_type, body, size)
    assert meter.usage == meter.estimate == WHOLE
    assert meter.model == "claude-opus-5-5-20260901"


def test_a_cut_off_answer_counts_what_it_announced_and_estimates_its_output() -> None:
    meter = metered("text/event-stream", sse(START, TEXT) + b'data: {"type": "message_de', 50, whole=False)
    assert meter.usage.output_tokens == 1 and meter.estimate.output_tokens == 10
    assert meter.estimate.cache_read_tokens == 5


def test_without_a_split_a_cache_lives_five_minutes() -> None:
    meter = metered("application/json", b'{"usage": {"cache_creation_input_tokens": 7}}', 5)
    assert meter.usage == Usage(cache_write_5m_tokens=7)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/event-stream", b"data: [1]\n\ndata: {\n\ndata: " + b"[" * 100_000 + b"\n\n"),
        ("text/event-stream", sse({"type": "message_start", "message": {"usage": {"output_tokens": "9", "x": []}}})),
        ("application/json", b'{"usage": {"output_tokens": -5, "input_tokens": true, "cache_creation": 3}}'),
        ("text/html", b"<html>"),
        (EVENT_STREAM, b"\xff" * 100),
        (EVENT_STREAM, framed({"bytes": "!"}) + framed({"other": 1})),
    ],
)
def test_garbage_costs_nothing_and_breaks_nothing(content_type: str, body: bytes) -> None:
    assert metered(content_type, body, 11).usage == Usage()


def test_what_the_api_asked_besides_is_told_with_its_own_model() -> None:
    usage = {
        "output_tokens": 5,
        "iterations": [
            {"type": "message", "input_tokens": 1, "output_tokens": 5},
            {"type": "advisor_message", "model": "claude-opus-5", "input_tokens": 40, "output_tokens": 30},
            {"type": "compaction", "input_tokens": 7, "output_tokens": 2},
            "x",
        ],
    }
    meter = metered("application/json", json.dumps({"model": "claude-haiku-4-5", "usage": usage}).encode(), 50)
    assert meter.side_usages == [
        ("claude-opus-5", Usage(input_tokens=40, output_tokens=30)),
        ("claude-haiku-4-5", Usage(input_tokens=7, output_tokens=2)),
    ]
