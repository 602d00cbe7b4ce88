"""What a request can cost at most, by its body, and which requests are refused."""

import json
from typing import Any

import pytest
from workspace.agent.model_proxy.request_body import (
    CONTEXT_TOKENS,
    IMAGE_TOKENS,
    OUTPUT_TOKENS,
    OWN_TOKENS,
    Asked,
    asked,
)
from workspace.agent.model_proxy.request_rules import RefusalError

MODEL = "claude-opus-5-5"
PLAIN: dict[str, Any] = {"model": MODEL, "max_tokens": 32_000, "messages": []}


def read(**fields: Any) -> Asked:
    return asked(json.dumps(PLAIN | fields).encode())


def said(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def image(**more: Any) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR"}, **more}


def test_a_text_has_no_more_tokens_than_bytes() -> None:
    body = json.dumps(PLAIN | said({"type": "text", "text": "Ångström " * 1000})).encode()
    request = asked(body)
    assert request.prompt_tokens == len(body) + OWN_TOKENS and not request.open_ended
    assert (request.model, request.max_tokens) == (MODEL, 32_000)


def test_the_most_is_a_prompt_written_to_the_cache_and_a_full_answer() -> None:
    request = Asked(MODEL, max_tokens=10_000, prompt_tokens=100_000)
    dollars = (100_000 * 1.25 * 4 + 10_000 * 20) / 1_000_000
    assert request.most_usd(regional=False) == pytest.approx(dollars * 1.1)
    hour = (100_000 * 2 * 4 + 10_000 * 20) / 1_000_000
    assert Asked(MODEL, 10_000, 100_000, hour_cache=True).most_usd(regional=False) == pytest.approx(hour * 1.1)
    assert Asked(MODEL, 10_000, 100_000, fast=True).most_usd(regional=False) == pytest.approx(dollars * 1.1 * 6)


def test_an_unknown_model_has_the_dearest_price() -> None:
    known, unknown = Asked("claude-mythos-preview", 1_000, 1_000), Asked("claude-epos-9", 1_000, 1_000)
    assert unknown.most_usd(regional=False) == known.most_usd(regional=False) > 0


def test_a_small_image_may_have_many_pixels() -> None:
    assert read(**said(image(), image())).prompt_tokens > 2 * IMAGE_TOKENS
    inside = {"type": "tool_result", "tool_use_id": "t", "content": [image()]}
    assert read(**said(inside)).prompt_tokens > IMAGE_TOKENS


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0"}},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "document", "source": {"type": "url"}}]},
        {"type": "container_upload", "file_id": "f"},
        image(transformations={"oversize": "none"}),
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference", "tool_name": "x"}]},
    ],
)
def test_what_only_stands_for_more_may_fill_the_context(block: dict[str, Any]) -> None:
    request = read(**said(block))
    assert request.prompt_tokens == CONTEXT_TOKENS and not request.open_ended


def test_a_huge_body_is_no_more_than_the_context() -> None:
    assert read(**said({"type": "text", "text": "x" * 3_000_000})).prompt_tokens == CONTEXT_TOKENS


@pytest.mark.parametrize(
    ("named", "limit"), [(None, OUTPUT_TOKENS), (-1, OUTPUT_TOKENS), (True, OUTPUT_TOKENS), (0, 0)]
)
def test_without_a_limit_of_its_own_an_answer_has_the_apis(named: Any, limit: int) -> None:
    assert read(max_tokens=named).max_tokens == limit


def test_the_cache_of_an_hour_and_the_fast_mode_are_seen() -> None:
    block = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert read(system=[block]).hour_cache and not read().hour_cache
    assert read(speed="fast").fast and not read(speed="standard").fast


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}]},
        {"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5"}]},
        {"context_management": {"edits": [{"type": "compact_20260112"}]}},
        {"fallbacks": [{"model": "claude-opus-4"}]},
        {"a_new_feature": True},
    ],
)
def test_what_the_api_does_besides_has_no_limit_beforehand(fields: dict[str, Any]) -> None:
    request = read(**fields)
    assert request.open_ended and request.prompt_tokens == CONTEXT_TOKENS
    assert request.unknown == tuple(fields.keys() & {"fallbacks", "a_new_feature"})


def test_claude_codes_own_request_is_bounded() -> None:
    request = read(
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        metadata={"user_id": "u"},
        stream=True,
        system=[{"type": "text", "text": "x"}],
        thinking={"type": "adaptive"},
        tools=[{"name": "Bash", "input_schema": {"type": "object"}}, {"type": "bash_20250124", "name": "bash"}],
    )
    assert not request.open_ended


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]},
        {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]},
        {"tools": [{"type": "something_new_20270101", "name": "x"}]},
        {"tools": [{"type": "mcp_toolset", "mcp_server_name": "x"}]},
        said({"type": "tool_definition", "tool": {"type": "code_execution_20250825"}}),
        {"mcp_servers": [{"type": "url", "url": "https://evil.example", "name": "x"}]},
        {"container": "container_1"},
        {"thread": {"type": "continue", "previous_message_id": "m"}},
    ],
)
def test_what_cannot_be_metered_is_refused_and_named(fields: dict[str, Any]) -> None:
    with pytest.raises(RefusalError) as refused:
        read(**fields)
    assert refused.value.status == 400 and "cannot be metered" in refused.value.message


def test_a_schema_may_have_types_that_are_no_text() -> None:
    schema = {"type": ["object", "null"], "properties": {"type": {"type": "string"}}}
    assert not read(output_config={"format": {"type": "json_schema", "schema": schema}}).open_ended


def test_the_input_of_a_tool_is_no_tool() -> None:
    use = {"type": "tool_use", "id": "t", "name": "Write", "input": {"type": "code_execution_20250825"}}
    assert not read(**said(use)).open_ended


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"max_tokens": 128000, "max_tokens": 1}',
        b'{"messages": [{"type": "text", "type": "document"}]}',
    ],
)
def test_a_body_is_a_json_object_with_each_field_once(body: bytes) -> None:
    with pytest.raises(RefusalError) as refused:
        asked(body)
    assert refused.value.status == 400


def test_a_body_of_very_many_values_is_refused_unread() -> None:
    with pytest.raises(RefusalError) as refused:
        asked(b'{"messages": [' + b"{}," * 2_000_000 + b"{}]}")
    assert refused.value.status == 413


def test_bedrocks_path_names_the_model() -> None:
    assert asked(b'{"model": "claude-haiku-4-5", "max_tokens": 1}', "us.anthropic.claude-opus-4-6-v1").model == (
        "us.anthropic.claude-opus-4-6-v1"
    )
    assert asked(b'{"model": 1}').model == ""
