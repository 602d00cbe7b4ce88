"""Prepares Claude Code's transcripts for a resume, checks them, and reads their cost."""

import json
import re
import shutil
from pathlib import Path

from workspace.repository.checkpoint_archive import transcripts_folder

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


def prepare_resume(home: Path, cwd: Path, conversation_id: str | None) -> str | None:
    """Moves a transcript to Claude Code's folder for `cwd`.

    Returns the conversation's id, or None without a transcript. The checkpoint may come from a workspace with another
    path. Raises OSError.
    """
    if not conversation_id or not _SAFE.match(conversation_id):
        return None
    root = transcripts_folder(home)
    wanted = root / slug(cwd) / f"{conversation_id}.jsonl"
    found = [path for path in root.glob(f"*/{conversation_id}.jsonl") if path.is_file() and not path.is_symlink()]
    if not found:
        return None
    newest = max(found, key=lambda path: path.stat().st_mtime)
    if newest != wanted:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        newest.replace(wanted)
        _move_folder(newest.with_suffix(""), wanted.with_suffix(""))
    return conversation_id


def damage(home: Path, cwd: Path, conversation_id: str) -> str | None:
    """Returns the damage of a transcript that `prepare_resume` prepared; None if it is whole.

    Claude Code silently skips unreadable lines and resumes the rest. Each entry names its predecessor (`parentUuid`).
    So a lost line cuts off the whole conversation before it. A killed process leaves an incomplete last line, which
    loses nothing else.
    """
    known: set[str] = set()
    parents: set[str] = set()
    with (transcripts_folder(home) / slug(cwd) / f"{conversation_id}.jsonl").open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
            except ValueError:
                if line.endswith(b"\n"):
                    return f"line {number} of its transcript cannot be read"
                continue
            if isinstance(entry, dict):
                known |= {str(entry["uuid"])} if entry.get("uuid") else set()
                parents |= {str(entry["parentUuid"])} if entry.get("parentUuid") else set()
    return None if parents <= known else "a part of its transcript is missing"


def cost_so_far(home: Path, cwd: Path, conversation_id: str | None) -> float:
    """Returns a conversation's cost in US dollars, by its transcript that `prepare_resume` prepared; 0.0 for a new one.

    Claude Code writes a line of type `cost-state` at the end of each run. It counts on from the last such line (seen
    with 2.1.330). Like Claude Code, this function ignores unreadable lines.
    """
    cost = 0.0
    if conversation_id is None:
        return cost
    with (transcripts_folder(home) / slug(cwd) / f"{conversation_id}.jsonl").open("rb") as lines:
        for line in lines:
            if b'"cost-state"' not in line:
                continue
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("type") == "cost-state":
                cost = float(entry.get("totalCostUSD") or 0.0)
    return cost


def forget(home: Path, cwd: Path, conversation_id: str | None) -> None:
    """Removes the transcript of a failed conversation. Otherwise the checkpoint would resume it as the newest one."""
    if conversation_id and _SAFE.match(conversation_id):
        path = transcripts_folder(home) / slug(cwd) / f"{conversation_id}.jsonl"
        path.unlink(missing_ok=True)
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)


def _move_folder(source: Path, target: Path) -> None:
    # Subagents' transcripts and long tool results are in a folder with the conversation's name.
    if source.is_dir() and not source.is_symlink():
        shutil.rmtree(target, ignore_errors=True)
        source.replace(target)
