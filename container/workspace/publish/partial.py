"""What of an unfinished publish can go live: whatever no page breaks by."""

import json
import time
from pathlib import Path

from workspace.context import StepContext
from workspace.publish.content import LocalFile, is_html, references, scan
from workspace.publish.execute import live_keys, publish

_STATE = "dist-state.json"

UNSETTLED_SECONDS = 0.5
"""Files of an interrupted build that changed so shortly before its end may be cut off."""


def mark_begun(tmp: Path) -> None:
    """A build begins: nothing of dist is known to be whole."""
    (tmp / _STATE).unlink(missing_ok=True)


def mark_complete(tmp: Path) -> None:
    """The build is done: dist is whole."""
    _write(tmp, {"complete": True})


def mark_stopped(tmp: Path) -> None:
    """The build was stopped just now."""
    _write(tmp, {"complete": False, "stoppedAt": time.time()})


def publish_dist(ctx: StepContext, dist: Path) -> int:
    """Adds and replaces what can be, deletes nothing; how many files went out.

    Raises StepStopped, Fenced, PublishError (the books cannot be read, nor the bucket), OSError.
    """
    state = _read(ctx.paths.tmp)
    if state is None or not dist.is_dir() or dist.is_symlink():
        return 0
    files = scan(dist)
    if not state.get("complete"):
        files = whole(files, live=live_keys(ctx), ended=float(state.get("stoppedAt", 0.0)))
    if not files:
        return 0
    outcome = publish(ctx, files, ctx.checkout.head(), partial=True)
    if outcome.error is not None:
        ctx.log("the partial publish is not whole", level="warning", error=outcome.error.message)
    return outcome.uploaded


def whole(files: list[LocalFile], *, live: set[str], ended: float) -> list[LocalFile]:
    """The files of an interrupted build that can be trusted to be whole.

    Args:
        files: what is in dist.
        live: keys that are live already.
        ended: when the build was stopped (seconds since the epoch).
    """
    settled = [
        file
        for file in files
        if not is_html(file.key) and file.size > 0 and file.path.stat().st_mtime < ended - UNSETTLED_SECONDS
    ]
    there = live | {file.key for file in settled}
    return settled + [file for file in files if is_html(file.key) and _is_whole_page(file.path, there)]


def _is_whole_page(path: Path, there: set[str]) -> bool:
    html = path.read_bytes()
    return html.rstrip().lower().endswith(b"</html>") and references(html) <= there


def _write(tmp: Path, state: dict[str, object]) -> None:
    tmp.mkdir(parents=True, exist_ok=True)
    (tmp / _STATE).write_text(json.dumps(state))


def _read(tmp: Path) -> dict[str, float] | None:
    try:
        state: dict[str, float] = json.loads((tmp / _STATE).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return state
