"""Records on disk whether dist is whole, so that an interrupted build can be published partly."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

_FILE = "dist-state.json"


@dataclass(frozen=True)
class DistState:
    """The state of dist. Without a stored state none of its files may go live."""

    complete: bool
    """Whether the build finished; False: it was stopped."""
    commit: str
    output: str
    """The folder in the checkout that the build wrote."""


def forget(tmp: Path) -> None:
    """Removes the state, because a build begins or all of dist is live.

    After a complete publish nothing is left to add. Before a later interruption another session may have published.
    """
    (tmp / _FILE).unlink(missing_ok=True)


def mark_complete(tmp: Path, commit: str, output: str) -> None:
    """Records that the build of a commit finished."""
    _write(tmp, DistState(True, commit, output))


def mark_stopped(tmp: Path, commit: str, output: str) -> None:
    """Records that the build of a commit was stopped and its processes are dead."""
    _write(tmp, DistState(False, commit, output))


def read(tmp: Path) -> DistState | None:
    """Returns the state; None if none is stored, or an unreadable one."""
    try:
        return DistState(**json.loads((tmp / _FILE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _write(tmp: Path, state: DistState) -> None:
    tmp.mkdir(parents=True, exist_ok=True)
    (tmp / _FILE).write_text(json.dumps(asdict(state)))
