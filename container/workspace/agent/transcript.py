"""Prepares Claude Code's transcripts for a resume, and checks them."""

import json
import re
from pathlib import Path
from typing import Any

from sitewright.contracts.limits import TRANSCRIPT_BYTES
from workspace.guest.guest_files import GuestFileError, Refusal
from workspace.repository.checkpoints import transcript_files
from workspace.repository.checkpoints.transcript_files import FOLDER
from workspace.repository.guest_git import GuestGit
from workspace.repository.objects.transport import must

_SAFE = re.compile(r"^[0-9A-Za-z-]+$")

_SLUG_CHARACTERS = 200
"""A longer slug is cut and gets a digest. Only the SDK has the function for that."""


def slug(cwd: Path) -> str:
    """Returns the name of Claude Code's folder for the conversations of a working folder."""
    plain = re.sub(r"[^A-Za-z0-9]", "-", str(cwd.resolve()))
    if len(plain) <= _SLUG_CHARACTERS:
        return plain
    # Imported here, because the import takes nearly a second and workspaces have short paths.
    from claude_agent_sdk import project_key_for_directory  # noqa: PLC0415

    return project_key_for_directory(cwd)


_MOVE = (
    'mkdir -p "$(dirname "$2")" && mv -T "$1.jsonl" "$2.jsonl" && rm -rf "$2" && { [ ! -d "$1" ] || mv -T "$1" "$2"; }'
)
"""Subagents' transcripts and long tool results are in a folder with the conversation's name."""


def prepare_resume(home: Path, cwd: Path, conversation_id: str | None, git: GuestGit) -> str | None:
    """Moves a transcript to Claude Code's folder for `cwd`, as the guest.

    Returns the conversation's id, or None without a transcript. The checkpoint may come from a workspace with another
    path. Raises GitError, OSError.
    """
    if not conversation_id or not _SAFE.match(conversation_id):
        return None
    found = [one for one in transcript_files.transcripts(home) if one.conversation_id == conversation_id]
    if not found:
        return None
    newest, wanted = found[0].path, _path(cwd, conversation_id)
    if newest != wanted:
        names = (home / FOLDER / path.removesuffix(".jsonl") for path in (newest, wanted))
        must("mv", git.script(_MOVE, *names))
    return conversation_id


def damage(home: Path, cwd: Path, conversation_id: str) -> str | None:
    """Returns the damage of a transcript that `prepare_resume` prepared; None if it is whole.

    Claude Code silently skips unreadable lines and resumes the rest. Each entry names its predecessor (`parentUuid`).
    So a lost line cuts off the whole conversation before it. A killed process leaves an incomplete last line, which
    loses nothing else.
    """
    known: set[str] = set()
    parents: set[str] = set()
    try:
        for number, line in enumerate(transcript_files.lines(home, _path(cwd, conversation_id)), 1):
            entry = _entry(line)
            if entry is None and line.endswith(b"\n"):
                return f"line {number} of its transcript cannot be read"
            if entry is None and len(line) >= transcript_files.LINE_BYTES:
                return f"line {number} of its transcript is too long"
            if isinstance(entry, dict):
                known |= {str(entry["uuid"])} if entry.get("uuid") else set()
                parents |= {str(entry["parentUuid"])} if entry.get("parentUuid") else set()
    except GuestFileError as error:
        if error.reason is Refusal.TOO_LARGE:
            return f"its transcript has more than {TRANSCRIPT_BYTES >> 20} MiB"
        return f"its transcript cannot be read: {error}"
    return None if parents <= known else "a part of its transcript is missing"


def forget(home: Path, cwd: Path, conversation_id: str | None, git: GuestGit) -> None:
    """Removes the transcript of a failed conversation. Otherwise the checkpoint would resume it as the newest one."""
    if conversation_id and _SAFE.match(conversation_id):
        path = home / FOLDER / _path(cwd, conversation_id)
        git.script('rm -rf -- "$1" "$2"', path, path.with_suffix(""))


def _path(cwd: Path, conversation_id: str) -> str:
    return f"{slug(cwd)}/{conversation_id}.jsonl"


def _entry(line: bytes) -> Any:
    """Returns a line's JSON; None if it is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
