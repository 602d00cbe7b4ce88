"""What the body of a request says: how much it can cost at most, and whether that can be metered. Pure."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sitewright.contracts.model.model_prices import Usage, usd
from workspace.agent.model_proxy.request_rules import RefusalError

CONTEXT_TOKENS = 1_000_000
"""No prompt is longer: the largest context window (https://platform.claude.com/docs/en/build-with-claude/context-windows)."""

OUTPUT_TOKENS = 128_000
"""The limit of an answer to a request that does not name one."""

IMAGE_TOKENS = 10_000
"""More than an image has, which the API scales down to some 4,800 tokens. A small file can have many pixels
(https://platform.claude.com/docs/en/build-with-claude/vision)."""

OWN_TOKENS = 5_000
"""For what the API adds to a prompt: the system prompt for tools, and their definitions by type."""

_TYPED_TOOL = re.compile(r"[a-z0-9_]+_20\d{6}")
_EDITS = ("clear_thinking_", "clear_tool_uses_")
_CLIENT_TOOLS = ("bash_", "text_editor_", "memory_", "computer_")
"""Claude Code runs them, so an answer ends with their call."""
_SERVER_SIDE = ("web_search_", "tool_search_tool_", "advisor_", "compact_")
"""Tools and edits that the API runs while it answers. It bills them by what `usage` tells."""

_REFUSED = {"container": "containers", "mcp_servers": "MCP servers of the API", "thread": "threads"}
"""What costs money or tokens that neither the request nor the answer's usage shows in full."""
_KNOWN = {
    "anthropic_beta", "anthropic_version", "betas", "cache_control", "context_management", "diagnostics",
    "fallback_credit_token", "inference_geo", "max_tokens", "messages", "metadata", "model", "output_config",
    "output_format", "service_tier", "speed", "stop_sequences", "stream", "system", "temperature", "thinking",
    "tool_choice", "tools", "top_k", "top_p",
}  # fmt: skip
"""Fields whose cost is bounded by the body's size and `max_tokens`, together with the checks below."""

_OPAQUE = {"input", "input_schema", "data", "signature", "encrypted_content"}
"""Their values belong to tools, or are no JSON of the API."""

_MOST_VALUES = 2_000_000
"""More than a full context window has. The values of a larger body take much more memory than its bytes."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request's model, and the limits of its cost."""

    model: str
    max_tokens: int
    """The limit of the answer's tokens."""
    prompt_tokens: int
    """The limit of the prompt's tokens."""
    hour_cache: bool = False
    """The prompt may be written to the cache for an hour, which is dearer than for five minutes."""
    fast: bool = False
    open_ended: bool = False
    """The prompt may grow while the answer is written: the API runs tools, or does what the proxy does not know."""
    unknown: tuple[str, ...] = ()
    """Fields that the proxy does not know."""

    def most_usd(self, *, regional: bool) -> float:
        """Returns the most that the answer can cost, in US dollars. For `open_ended` it is an estimate."""
        tokens = self.prompt_tokens
        usage = Usage(
            cache_write_1h_tokens=tokens if self.hour_cache else 0,
            cache_write_5m_tokens=0 if self.hour_cache else tokens,
            output_tokens=self.max_tokens,
            fast=self.fast,
            inference_geo="us",
        )
        return usd(usage, self.model, regional=regional)


def asked(body: bytes, model: str = "") -> Asked:
    """Reads a request's body.

    A token has at least one byte, so the body's size limits the prompt, except where the body only stands for more:
    an image by its pixels, a document by its pages, a URL or an uploaded file by what is there, a reference to a tool by
    the tool's definition.

    Args:
        body: the body's bytes.
        model: the model's id in the path (Bedrock); empty if the body names it.

    Raises RefusalError for a body that is no JSON object, that names a field twice, or whose cost cannot be metered.
    """
    request = _parsed(body)
    unknown = sorted(request.keys() - _KNOWN - _REFUSED.keys())
    open_ended = bool(unknown)
    hour_cache, images, unbounded = False, 0, False
    for name in request.keys() & _REFUSED.keys():
        if request[name]:
            raise _unmetered(_REFUSED[name])
    for part in _objects(request):
        kind = part.get("type")
        if isinstance(kind, str) and _TYPED_TOOL.fullmatch(kind):
            if not kind.startswith(_EDITS + _CLIENT_TOOLS + _SERVER_SIDE):
                raise _unmetered(f"the tool type {kind[:80]!r}")
            open_ended |= kind.startswith(_SERVER_SIDE)
        elif kind == "mcp_toolset":
            raise _unmetered("MCP servers of the API")
        elif kind == "image":
            images += 1
            unbounded |= "transformations" in part
        elif kind in ("document", "container_upload", "tool_reference"):
            unbounded = True
        hour_cache |= part.get("ttl") == "1h"
    prompt = len(body) + OWN_TOKENS + images * IMAGE_TOKENS
    named, limit = request.get("model"), request.get("max_tokens")
    return Asked(
        model=model or (named if isinstance(named, str) else ""),
        max_tokens=limit if type(limit) is int and 0 <= limit <= CONTEXT_TOKENS else OUTPUT_TOKENS,
        prompt_tokens=CONTEXT_TOKENS if unbounded or open_ended else min(prompt, CONTEXT_TOKENS),
        hour_cache=hour_cache,
        fast=request.get("speed") == "fast",
        open_ended=open_ended,
        unknown=tuple(name[:50] for name in unknown[:5]),
    )


def _parsed(body: bytes) -> Json:
    if body.count(b",") + body.count(b"{") + body.count(b"[") > _MOST_VALUES:
        raise RefusalError(413, "request_too_large", f"The request has more than {_MOST_VALUES} values.")
    try:
        parsed = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise RefusalError(400, "invalid_request_error", "The body is no JSON.") from error
    if not isinstance(parsed, dict):
        raise RefusalError(400, "invalid_request_error", "The body is no JSON object.")
    return parsed


def _once(pairs: list[tuple[str, Any]]) -> Json:
    made = dict(pairs)
    if len(made) != len(pairs):
        # Two servers may read it in two ways.
        raise RefusalError(400, "invalid_request_error", "The body has a field twice.")
    return made


def _objects(request: Json) -> Iterator[Json]:
    waiting: list[Any] = [request]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            yield value
            waiting += [inner for name, inner in value.items() if name not in _OPAQUE]


def _unmetered(what: str) -> RefusalError:
    return RefusalError(
        400, "invalid_request_error", f"The cost of {what} cannot be metered, so it is not allowed here."
    )
