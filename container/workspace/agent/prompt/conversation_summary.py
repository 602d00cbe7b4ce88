"""Summarizes a conversation that cannot be resumed, by its readable turns or else by the session's commits.

The text goes into the new conversation's instructions, so its length is limited. The newest turns are kept.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workspace.agent.prompt.unfinished_wishes import messages_in
from workspace.guest.guest_files import GuestFileError
from workspace.repository.checkpoints import transcript_files

TURN_CHARACTERS = 600
TOTAL_CHARACTERS = 8_000
"""The limit of the summary. It is passed in a program argument, together with the repository's rules."""


def recall(home: Path, conversation_id: str | None, commits: Iterable[str]) -> str:
    """Returns the summary of an earlier conversation, oldest turn first; empty without transcript and commits.

    Args:
        home: the agent's HOME.
        conversation_id: the conversation's id; None if unknown.
        commits: messages of the session's commits, newest first. Used if no turn can be read.
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
    """Returns the messages of client and agent from the transcript. Omits damaged lines."""
    found: list[str] = []
    for transcript in sorted(transcript_files.transcripts(home), key=lambda transcript: transcript.path):
        if transcript.conversation_id != conversation_id:
            continue
        try:
            found += filter(None, map(_turn, transcript_files.lines(home, transcript.path)))
        except GuestFileError:
            continue
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
    return _cut(speaker + messages_in(content)) if isinstance(content, str) and content.strip() else None


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= TURN_CHARACTERS else text[: TURN_CHARACTERS - 1] + "…"
