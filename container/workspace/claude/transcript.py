"""Claude Code's transcripts: where a conversation has to lie so that it can be resumed."""

import re
import shutil
from pathlib import Path

from workspace.archive import transcripts_folder

_SAFE = re.compile(r"^[0-9A-Za-z-]+$")


def slug(cwd: Path) -> str:
    """The name of the folder in which Claude Code keeps a working folder's conversations."""
    return re.sub(r"[^A-Za-z0-9]", "-", str(cwd.resolve()))


def prepare_resume(home: Path, cwd: Path, conversation_id: str | None) -> str | None:
    """The id if that conversation can be resumed in `cwd`: its transcript is then where Claude Code looks for it.

    None if there is no transcript. Raises OSError.
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
        shutil.copy2(newest, wanted)
    return conversation_id
