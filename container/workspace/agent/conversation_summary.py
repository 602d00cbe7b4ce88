"""The summary of a conversation that cannot be resumed: its readable turns, or else the session's commits.

The text goes into the new conversation's instructions, so it is cut. The newest turns are kept.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workspace.repository.checkpoint_archive import transcripts_folder

TURN_CHARACTERS = 600
TOTAL_CHARACTERS = 8_000
"""They travel in an argument, beside the repository's rules."""


def recall(home: Path, conversation_id: str | None, commits: Iterable[str]) -> str:
    """A summary of an earlier conversation, oldest first; empty if nothing is known of it.

    Args:
        home: of the agent.
        conversation_id: the conversation's; None if not even that is known.
        commits: messages of the session's commits, newest first: what there is without a transcript.
    """
    turns = _turns(home, conversation_id) if conversation_id else []
    if not any(turn.startswith("You: ") for turn in turns):
        turns = [_cut("Commit: " + message) for message in commits][::-1]
    kept: list[str] = []
    size = 0
    for turn in reversed(turns):
        size += len(turn)
        if size > TOTAL_CHARACTERS:
            break
        kept.append(turn)
    return "\n".join(reversed(kept))


def _turns(home: Path, conversation_id: str) -> list[str]:
    """What client and agent said, as far as the transcript's lines can be read. A damaged line is left out."""
    found: list[str] = []
    for path in sorted(transcripts_folder(home).glob(f"*/{conversation_id}.jsonl")):
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as lines:
            for line in lines:
                if turn := _turn(line):
                    found.append(turn)
    return found


def _turn(line: bytes) -> str | None:
    try:
        entry: Any = json.loads(line)
        speaker = {"user": "Client: ", "assistant": "You: "}[entry["type"]]
        content = entry["message"]["content"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if entry.get("isMeta") or entry.get("isSidechain"):
        return None
    if isinstance(content, list):
        content = " ".join(
            str(block.get("text", "")) for block in content if isinstance(block, dict) and block.get("type") == "text"
        )
    return _cut(speaker + content) if isinstance(content, str) and content.strip() else None


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= TURN_CHARACTERS else text[: TURN_CHARACTERS - 1] + "…"
