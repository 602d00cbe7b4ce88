import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from sitewright.local.demo_model.edit_planner import Reply, ToolCall
from sitewright.local.demo_model.messages_api import events, message
from sitewright.local.demo_model.model_app import create_app
from sitewright.local.demo_model.model_faults import Faults

Json = dict[str, Any]


@pytest.fixture
def client() -> TestClient:
    return TestClient(create_app())


def ask(client: TestClient, text: str, **more: Any) -> Any:
    body = {"model": "m", "tools": [{"name": "Write"}], "messages": [{"role": "user", "content": text}], **more}
    return client.post("/v1/messages", json=body, headers={"x-api-key": "sk-secret"})


def parsed(stream: str) -> list[Json]:
    found = []
    for chunk in stream.strip().split("\n\n"):
        name, data = chunk.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


@pytest.mark.parametrize("action", [Reply("done 🥐"), ToolCall("Write", {"file_path": "/a", "content": 'x"\n'})])
def test_the_order_of_events(action: Reply | ToolCall) -> None:
    told = parsed("".join(events(message(action, "m", 7))))
    assert [event["type"] for event in told] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert told[0]["message"]["content"] == []
    assert told[0]["message"]["usage"]["input_tokens"] == 7
    delta = told[2]["delta"]
    if isinstance(action, Reply):
        assert delta == {"type": "text_delta", "text": action.text}
        assert told[4]["delta"]["stop_reason"] == "end_turn"
    else:
        assert told[1]["content_block"]["input"] == {}
        assert delta["type"] == "input_json_delta"
        assert json.loads(delta["partial_json"]) == action.arguments
        assert told[4]["delta"]["stop_reason"] == "tool_use"


def test_a_stream_is_a_stream_and_else_it_is_json(client: TestClient) -> None:
    streamed = ask(client, "hello", stream=True)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert parsed(streamed.text)[-1] == {"type": "message_stop"}
    assert ask(client, "hello").json()["content"][0]["type"] == "text"


def test_a_side_request_without_tools_edits_nothing(client: TestClient) -> None:
    answer = ask(client, "Add a new heading to the homepage", tools=[]).json()
    assert answer["stop_reason"] == "end_turn"


def test_requests_are_listed_without_keys(client: TestClient) -> None:
    ask(client, "Add a new heading to the homepage. " + "crumbs " * 40_000)
    listed = client.get("/_requests")
    (only,) = listed.json()
    assert only["answer"].startswith("Read ")
    assert only["status"] == 200
    assert len(listed.text) < 2000
    assert "sk-secret" not in listed.text


def test_faults_are_set_listed_and_used_up(client: TestClient) -> None:
    client.post("/_faults", json={"match": "mine", "status": 529, "times": 1})
    assert ask(client, "theirs").status_code == 200
    refused = ask(client, "this is mine")
    assert refused.status_code == 529
    assert refused.json()["error"]["type"] == "overloaded_error"
    assert ask(client, "this is mine").status_code == 200
    assert client.get("/_faults").json() == [{"match": "mine", "status": 529, "times": 0, "delay_seconds": 0.0}]
    assert [r["status"] for r in client.get("/_requests").json()] == [200, 529, 200]


@pytest.mark.parametrize("body", [{"status": 500}, {"match": "x", "times": "many"}, []])
def test_a_fault_that_makes_no_sense_is_refused(client: TestClient, body: Any) -> None:
    assert client.post("/_faults", json=body).status_code == 400


def test_a_disconnect_ends_in_the_middle_of_the_stream(client: TestClient) -> None:
    client.post("/_faults", json={"match": "x", "status": "disconnect"})
    with pytest.raises(ConnectionResetError):
        ask(client, "x", stream=True)


def test_a_key_that_is_refused() -> None:
    client = TestClient(create_app())
    answer = client.post("/v1/messages", json={"messages": []}, headers={"authorization": "Bearer invalid"})
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "authentication_error"


def test_two_conversations_get_different_headings(client: TestClient) -> None:
    def heading() -> str:
        blocks: list[Json] = [{"type": "tool_use", "id": "t", "name": "Read", "input": {}}]
        results: list[Json] = [{"type": "tool_result", "tool_use_id": "t", "content": "1→<main>\n2→</main>"}]
        conversation: list[Json] = [
            {"role": "user", "content": "Add a new heading to the homepage"},
            {"role": "assistant", "content": blocks},
            {"role": "user", "content": results},
        ]
        content: str = ask(client, "", messages=conversation).json()["content"][0]["input"]["content"]
        return content

    assert heading() != heading()


def test_the_oldest_fault_that_fits_comes_first() -> None:
    faults = Faults()
    faults.add({"match": "a", "status": 500})
    faults.add({"match": "a", "status": 429, "times": 2})
    assert [f.status if (f := faults.take("a")) else None for _ in range(4)] == [500, 429, 429, None]
