"""Reads the tokens of an answer from its bytes, while they pass. Pure."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from botocore.eventstream import EventStreamBuffer, ParserError

from sitewright.contracts.model.model_prices import Usage

EVENT_STREAM = "application/vnd.amazon.eventstream"
"""The content type of Bedrock's streams."""

CHARACTERS_PER_TOKEN = 3
"""For the output of an answer that was cut off. English text has about four, so the estimate is rather too high."""

_BESIDES = {"advisor_message", "compaction"}
_BUFFER_BYTES = 64 * 1024 * 1024
_MOST_TOKENS = 10**9

Json = dict[str, Any]


class _Decoder(Protocol):
    def feed(self, piece: bytes) -> None: ...
    def end(self) -> None: ...


@dataclass
class AnswerMeter:
    """The usage of one answer, as far as it has arrived."""

    model: str
    """The requested model's id, replaced by the one that the answer names."""
    begun: bool = False
    """Whether the answer has told any usage."""
    _usage: Json = field(default_factory=dict, repr=False)
    _characters: int = 0
    _decoder: _Decoder | None = field(default=None, repr=False)

    def start(self, content_type: str) -> None:
        """Chooses the decoder for a successful answer's content type."""
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            self._decoder = _ServerSentEvents(self._event)
        elif kind == EVENT_STREAM:
            self._decoder = _EventStream(self._event)
        else:
            self._decoder = _WholeJson(self._event)

    def feed(self, piece: bytes) -> None:
        """Takes the next bytes of the answer's body, in pieces of any size."""
        if self._decoder is not None:
            self._decoder.feed(piece)

    def end(self) -> None:
        """Takes the end of the body."""
        if self._decoder is not None:
            self._decoder.end()

    @property
    def usage(self) -> Usage:
        """The usage that the answer has told so far."""
        return _read(self._usage)

    @property
    def side_usages(self) -> list[tuple[str, Usage]]:
        """The model and usage of what the API asked besides: `usage` does not have it.

        Source: `iterations` of BetaUsage in Anthropic's Python SDK 2.14, and
        https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool.
        """
        iterations = self._usage.get("iterations")
        return [
            (str(one.get("model") or self.model), _read(one))
            for one in (iterations if isinstance(iterations, list) else [])
            if isinstance(one, dict) and one.get("type") in _BESIDES
        ]

    @property
    def estimate(self) -> Usage:
        """The usage if the answer ended here: the final count of the output comes last."""
        seen = self._characters // CHARACTERS_PER_TOKEN
        return replace(self.usage, output_tokens=max(self.usage.output_tokens, seen))

    def _event(self, event: Json) -> None:
        kind = event.get("type")
        if kind == "message_start" and isinstance(event.get("message"), dict):
            self._message(event["message"])
        elif kind == "message":
            self._message(event)
        elif kind == "message_delta":
            # Cumulative. A field that is null or absent keeps its value.
            self._merge(event.get("usage"))
        elif kind == "content_block_delta" and isinstance(event.get("delta"), dict):
            delta = event["delta"]
            self._characters += sum(len(str(delta.get(name) or "")) for name in ("text", "thinking", "partial_json"))

    def _message(self, message: Json) -> None:
        if isinstance(message.get("model"), str) and message["model"]:
            self.model = message["model"]
        self._merge(message.get("usage"))

    def _merge(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self.begun = True
            self._usage |= {name: value for name, value in usage.items() if value is not None}


def _read(raw: Json) -> Usage:
    split = raw.get("cache_creation")
    parts = split if isinstance(split, dict) else {}
    written = _count(raw.get("cache_creation_input_tokens"))
    short = _count(parts.get("ephemeral_5m_input_tokens"))
    long = _count(parts.get("ephemeral_1h_input_tokens"))
    rest = max(written - short - long, 0)
    server_tools = raw.get("server_tool_use")
    return Usage(
        input_tokens=_count(raw.get("input_tokens")),
        output_tokens=_count(raw.get("output_tokens")),
        # Only the beginning tells how long the cache lives. What is written later has the higher price.
        cache_write_5m_tokens=short if parts else rest,
        cache_write_1h_tokens=long + rest if parts else 0,
        cache_read_tokens=_count(raw.get("cache_read_input_tokens")),
        web_searches=_count(server_tools.get("web_search_requests") if isinstance(server_tools, dict) else 0),
        fast=raw.get("speed") == "fast",
        inference_geo=str(raw.get("inference_geo") or ""),
    )


def _count(value: Any) -> int:
    return min(max(value, 0), _MOST_TOKENS) if isinstance(value, int) and not isinstance(value, bool) else 0


def _parsed(text: bytes | bytearray) -> Json | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@dataclass
class _ServerSentEvents:
    take: Callable[[Json], None]
    rest: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> None:
        self.rest += piece
        if b"\n" not in piece:
            if len(self.rest) > _BUFFER_BYTES:
                self.rest.clear()
            return
        *lines, rest = self.rest.split(b"\n")
        self.rest = bytearray(rest)
        for line in lines:
            self._line(line)

    def end(self) -> None:
        self._line(self.rest)

    def _line(self, line: bytearray) -> None:
        if line.startswith(b"data:") and (event := _parsed(line[5:])) is not None:
            self.take(event)


@dataclass
class _EventStream:
    take: Callable[[Json], None]
    buffer: EventStreamBuffer = field(default_factory=EventStreamBuffer)

    def feed(self, piece: bytes) -> None:
        try:
            self.buffer.add_data(piece)
            for message in self.buffer:
                part = _parsed(message.payload)
                encoded = part.get("bytes") if part else None
                if isinstance(encoded, str) and (event := _parsed(base64.b64decode(encoded))) is not None:
                    self.take(event)
        except (ParserError, ValueError):
            # Not in the format. The client will say so.
            self.buffer = EventStreamBuffer()

    def end(self) -> None:
        pass


@dataclass
class _WholeJson:
    take: Callable[[Json], None]
    body: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> None:
        if len(self.body) + len(piece) <= _BUFFER_BYTES:
            self.body += piece

    def end(self) -> None:
        if (message := _parsed(self.body)) is not None:
            self.take({**message, "type": "message"})
