"""The summary of a conversation that cannot be resumed."""

import json
from pathlib import Path
from typing import Any

import pytest
from workspace.agent.prompt.conversation_summary import TOTAL_CHARACTERS, TURN_CHARACTERS, recall

ID = "7b9f4a52-0a3c-4a57-9d6c-0f3b1d6a0001"


def line(kind: str, content: Any, **more: Any) -> bytes:
    return json.dumps({"type": kind, "message": {"role": kind, "content": content}, **more}).encode() + b"\n"


def write(home: Path, *lines: bytes) -> None:
    folder = home / ".claude" / "projects" / "-workspace-site"
    folder.mkdir(parents=True)
    (folder / f"{ID}.jsonl").write_bytes(b"".join(lines))


def test_readable_turns_of_a_damaged_transcript_are_summarized_in_order(tmp_path: Path) -> None:
    write(
        tmp_path,
        line("user", "Make it   green\nplease"),
        b'{"type": "assistant", "message": {"content": [{"type": "te',
        b"\n\xff\xfe\x00 not JSON\n[1]\nnull\n",
        line("assistant", [{"type": "tool_use", "name": "Edit"}, {"type": "text", "text": "It is green."}]),
        line("user", [{"type": "tool_result", "content": "a whole file"}]),
        line("user", "a reminder", isMeta=True),
        line("assistant", [{"type": "text", "text": "a subagent's"}], isSidechain=True),
    )
    assert recall(tmp_path, ID, ["ignored"]) == "Client: Make it green please\nYou: It is green."


@pytest.mark.parametrize("damage", [None, b"", b"\x00" * 4096, b"[" * 100_000 + b"\n"])
def test_without_a_readable_turn_the_commits_are_summarized(tmp_path: Path, damage: bytes | None) -> None:
    if damage is not None:
        write(tmp_path, damage)
    told = recall(tmp_path, ID, ["[2026-11-02] Second\n\nDid it.", "[2026-11-01] First"])
    assert told == "Commit: [2026-11-01] First\nCommit: [2026-11-02] Second Did it."


def test_the_summary_is_limited_and_keeps_the_newest_turns(tmp_path: Path) -> None:
    write(tmp_path, *(line("assistant", f"{n:04} " + "x" * 10_000) for n in range(100)))
    told = recall(tmp_path, ID, [])
    assert len(told) <= TOTAL_CHARACTERS + 100
    assert told.splitlines()[-1].startswith("You: 0099")
    assert all(len(turn) <= TURN_CHARACTERS for turn in told.splitlines())


def test_without_transcript_and_commits_the_summary_is_empty(tmp_path: Path) -> None:
    assert recall(tmp_path, None, []) == "" and recall(tmp_path, ID, []) == ""
