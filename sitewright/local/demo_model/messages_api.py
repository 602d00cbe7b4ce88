"""The Messages API's shapes: a message as JSON or as server-sent events. Pure."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

from sitewright.local.demo_model.edit_planner import Reply, ToolCall

Json = dict[str, Any]

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


def tokens(value: Any) -> int:
    """A plausible count of tokens: four characters each."""
    return max(1, len(json.dumps(value, ensure_ascii=False)) // 4)


def message(action: Reply | ToolCall, model: str, input_tokens: int) -> Json:
    """A whole answer."""
    if isinstance(action, Reply):
        block: Json = {"type": "text", "text": action.text}
    else:
        block = {
            "type": "tool_use",
            "id": f"toolu_{uuid.uuid4().hex[:24]}",
            "name": action.tool,
            "input": action.arguments,
        }
    return {
        "id": f"msg_{uuid.uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [block],
        "stop_reason": "end_turn" if isinstance(action, Reply) else "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": input_tokens, "output_tokens": tokens(block)},
    }


def events(answer: Json) -> Iterator[str]:
    """The answer as server-sent events."""
    head = {**answer, "content": [], "stop_reason": None, "usage": {**answer["usage"], "output_tokens": 1}}
    yield _event("message_start", {"message": head})
    for index, block in enumerate(answer["content"]):
        if block["type"] == "text":
            start: Json = {"type": "text", "text": ""}
            delta: Json = {"type": "text_delta", "text": block["text"]}
        else:
            start = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield _event("content_block_start", {"index": index, "content_block": start})
        yield _event("content_block_delta", {"index": index, "delta": delta})
        yield _event("content_block_stop", {"index": index})
    delta = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    yield _event("message_delta", {"delta": delta, "usage": {"output_tokens": answer["usage"]["output_tokens"]}})
    yield _event("message_stop", {})


def error(status: int, text: str) -> Json:
    """An error body."""
    return {"type": "error", "error": {"type": ERROR_TYPES.get(status, "api_error"), "message": text}}


def _event(name: str, data: Json) -> str:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data}, ensure_ascii=False)}\n\n"
