"""Which requests the proxy passes on, and which headers."""

from email.message import Message

import pytest
from workspace.agent.model_proxy.request_rules import (
    MAX_BODY_BYTES,
    RefusalError,
    anthropic_route,
    bedrock_route,
    body_length,
    handed_back,
    passed_on,
    sent_token,
)


def headers(*pairs: tuple[str, str]) -> Message:
    message = Message()
    for name, value in pairs:
        message[name] = value
    return message


def test_the_messages_api_is_passed_on() -> None:
    assert anthropic_route("/v1/messages?beta=true").target == "/v1/messages?beta=true"
    assert anthropic_route("/v1/messages?x=1&beta=true").target == "/v1/messages"
    assert anthropic_route("/v1/messages").metered
    assert not anthropic_route("/v1/messages/count_tokens").metered


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/v1/models",
        "/v1/messages/",
        "/v1/messages/batches",
        "//v1/messages",
        "/v1/../v1/messages",
        "/v1/messages%2fbatches",
        "/v1/messages;x",
        "http://evil.example/v1/messages",
        "evil.example:443",
        "/model/m/invoke",
    ],
)
def test_nothing_else_is(target: str) -> None:
    with pytest.raises(RefusalError) as refused:
        anthropic_route(target)
    assert refused.value.status == 404


def test_bedrocks_model_is_one_quoted_segment() -> None:
    route = bedrock_route("/model/us.anthropic.claude-haiku-4-5-20251001-v1:0/invoke-with-response-stream")
    assert route.target == "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke-with-response-stream"
    arn = "arn:aws:bedrock:us-west-2:1:application-inference-profile"
    assert bedrock_route(f"/model/{arn}%2Fabc/invoke").model == f"{arn}/abc"
    assert not bedrock_route("/model/m/count-tokens").metered


@pytest.mark.parametrize(
    "target",
    [
        "/model/m/converse",
        "/model/m/invoke?x=1",
        "/model/../invoke",
        "/model/%2e%2e/invoke",
        "/model/a b/invoke",
        "/model/m%0d%0ax/invoke",
        "/inference-profiles?type=SYSTEM_DEFINED",
        "/v1/messages",
    ],
)
def test_no_other_action_of_bedrock_is_passed_on(target: str) -> None:
    with pytest.raises(RefusalError):
        bedrock_route(target)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ([], 400),
        ([("content-length", "3"), ("content-length", "4")], 400),
        ([("content-length", "3"), ("transfer-encoding", "chunked")], 411),
        ([("transfer-encoding", "xchunked")], 411),
        ([("content-length", "+3")], 400),
        ([("content-length", "0x10")], 400),
        ([("content-length", "3,3")], 400),
        ([("content-length", "-1")], 400),
        ([("content-length", str(MAX_BODY_BYTES + 1))], 413),
    ],
)
def test_a_body_of_doubtful_length_is_refused(sent: list[tuple[str, str]], status: int) -> None:
    with pytest.raises(RefusalError) as refused:
        body_length(headers(*sent))
    assert refused.value.status == status


def test_only_listed_headers_go_up_and_come_back() -> None:
    sent = headers(
        ("Anthropic-Beta", "a,b"),
        ("Cookie", "c"),
        ("Authorization", "Bearer t"),
        ("X-Api-Key", "t"),
        ("Host", "evil"),
        ("Content-Type", "application/json\r\n x-api-key: mine"),
        ("User-Agent", "claude-cli"),
    )
    assert passed_on(sent) == {"anthropic-beta": "a,b", "user-agent": "claude-cli"}
    answer = {"Retry-After": "3", "Set-Cookie": "c", "Location": "http://evil", "anthropic-ratelimit-x": "1"}
    assert handed_back(answer) == {"Retry-After": "3", "anthropic-ratelimit-x": "1"}


def test_a_token_comes_once_as_a_key_or_as_a_bearer_token() -> None:
    assert sent_token(headers(("x-api-key", "t"))) == "t"
    assert sent_token(headers(("Authorization", "Bearer t"))) == "t"
    assert sent_token(headers(("x-api-key", "a"), ("x-api-key", "t"))) == ""
    assert sent_token(headers()) == ""
