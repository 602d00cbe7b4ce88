"""The cost of a run of Claude Code so far. Its result tells the cost only at the end, and a workspace may die before."""

import json
import math
import stat
from pathlib import Path
from typing import Any

from workspace.repository.checkpoint_archive import transcripts_folder

_MARK = b'"budget_usd"'


class CostMeter:
    """Reads the cost in what is written to the transcripts from now on.

    Before each request to the model Claude Code tells it what of `max_budget_usd` is used, of this run alone, and the line goes into
    the conversation's transcript (an attachment of type `budget_usd`, seen with 2.1.330). So the cost
    of the request under way is missing.
    """

    def __init__(self, home: Path) -> None:
        self._root = transcripts_folder(home)
        self._read = {path: size for path, size in self._transcripts()}  # noqa: C416 - read as what it is
        self._used = 0.0

    def read(self) -> float:
        """Returns US dollars, never less than before."""
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
            # The last line may be half written.
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
            # The agent can place a link to any file.
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
