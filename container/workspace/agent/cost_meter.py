"""Measures the cost of Claude Code during its run.

The result has the cost only at the end, and a workspace may die before.
"""

import json
import math
import stat
from pathlib import Path
from typing import Any

from workspace.repository.transcript_files import transcripts_folder

_MARK = b'"budget_usd"'


class CostMeter:
    """Reads the cost from the transcript lines written after its creation.

    Before each model request Claude Code writes a transcript line with the used part of `max_budget_usd`, for this run
    alone. The line is an attachment of type `budget_usd` (seen with 2.1.330). So the cost of the request under way is
    missing.
    """

    def __init__(self, home: Path) -> None:
        self._root = transcripts_folder(home)
        self._read = {path: size for path, size in self._transcripts()}  # noqa: C416 - a mapping by name
        self._used = 0.0

    def read(self) -> float:
        """Returns the cost so far in US dollars. The value never decreases."""
        for path, size in self._transcripts():
            begun = self._read.get(path, 0)
            if size <= begun:
                continue
            try:
                with path.open("rb") as file:
                    file.seek(begun)
                    new = file.read(size - begun)
            except OSError:
                continue
            # The last line may be incomplete.
            whole = new[: new.rfind(b"\n") + 1]
            self._read[path] = begun + len(whole)
            self._used = max([self._used, *map(_used, whole.splitlines())])
        return self._used

    def _transcripts(self) -> list[tuple[Path, int]]:
        found = []
        for path in self._root.glob("*/*.jsonl"):
            try:
                status = path.lstat()
            except OSError:
                continue
            # The agent can create a link to any file.
            if stat.S_ISREG(status.st_mode):
                found.append((path, status.st_size))
        return found


def _used(line: bytes) -> float:
    if _MARK not in line:
        return 0.0
    try:
        entry: Any = json.loads(line)
        attachment = entry["attachment"]
        used = float(attachment["used"]) if attachment["type"] == "budget_usd" else 0.0
    except (ValueError, TypeError, KeyError):
        return 0.0
    return used if math.isfinite(used) else 0.0
