"""Claude Code's transcripts: prepares them for a resume, checks them, and reads their cost."""

import json
import re
import shutil
from pathlib import Path

from workspace.repository.checkpoint_archive import transcripts_folder

_SAFE = re.compile(r"^[0-9A-Za-z-]+$")

_SLUG_CHARACTERS = 200
"""A longer slug is cut and given a digest, by a function that only the SDK has."""


def slug(cwd: Path) -> str:
    """The name of the folder in which Claude Code keeps a working folder's conversations."""
    plain = re.sub(r"[^A-Za-z0-9]", "-", str(cwd.resolve()))
    if len(plain) <= _SLUG_CHARACTERS:
        return plain
    # Imported here: it costs nearly a second, and workspaces have short paths.
    from claude_agent_sdk import project_key_for_directory  # noqa: PLC0415

    return project_key_for_directory(cwd)


def prepare_resume(home: Path, cwd: Path, conversation_id: str | None) -> str | None:
    """The id if that conversation can be resumed in `cwd`: its transcript is then where Claude Code looks for it.

    A checkpoint may have been written by a workspace with another path. None if there is no transcript. Raises OSError.
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
    """What is wrong with a transcript that `prepare_resume` prepared; None if it is whole.

    Claude Code passes over what it cannot read and resumes what is left, without a word: each entry names the one before it
    (`parentUuid`), so a line that is lost takes with it all that was said earlier. A last line without its end is
    what a killed process leaves, and costs nothing else.
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
    """US dollars that Claude Code has booked for a conversation that `prepare_resume` prepared; 0.0 for a new one.

    It writes a line of type `cost-state` at the end of each run and goes on counting from the last one (seen with
    2.1.330); lines that cannot be read count for nothing, as they do for Claude Code.
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
    """Removes the transcript of a conversation that came to nothing: the checkpoint resumes the newest one there is."""
    if conversation_id and _SAFE.match(conversation_id):
        path = transcripts_folder(home) / slug(cwd) / f"{conversation_id}.jsonl"
        path.unlink(missing_ok=True)
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)


def _move_folder(source: Path, target: Path) -> None:
    # Subagents' transcripts and long tool results lie in a folder named like the conversation.
    if source.is_dir() and not source.is_symlink():
        shutil.rmtree(target, ignore_errors=True)
        source.replace(target)
