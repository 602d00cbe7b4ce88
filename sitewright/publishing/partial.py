"""What of an unfinished publish can go live: whatever no page breaks by."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from workspace.step_context import StepContext

from sitewright.publishing.interrupted.completeness import is_whole, is_whole_page
from sitewright.publishing.interrupted.references import references
from sitewright.publishing.live import live_keys
from sitewright.publishing.publisher import publish
from sitewright.publishing.site_files import LocalFile, is_hashed, is_html, scan

_STATE = "dist-state.json"

_PUBLIC = "public"
"""Astro and Vite copy this folder into dist as it is, before they do anything else."""

_JUDGED_BYTES = 32 * 2**20
"""A larger file is whole only if `public` has the same: its format would be judged in memory."""


@dataclass(frozen=True)
class DistState:
    """What is known of dist. Without a state nothing is, and nothing of it goes live."""

    complete: bool
    commit: str


def mark_begun(tmp: Path) -> None:
    """A build begins: nothing of dist is known to be whole."""
    (tmp / _STATE).unlink(missing_ok=True)


def mark_complete(tmp: Path, commit: str) -> None:
    """The build of a commit is done: dist is whole."""
    _write(tmp, DistState(True, commit))


def mark_stopped(tmp: Path, commit: str) -> None:
    """The build of a commit was stopped, its processes are dead."""
    _write(tmp, DistState(False, commit))


def mark_published(tmp: Path) -> None:
    """All of dist is live: there is nothing to add, and by the time of an interrupt another session's site may be live."""
    (tmp / _STATE).unlink(missing_ok=True)


def publish_dist(ctx: StepContext, dist: Path) -> int:
    """Adds and replaces what can be, deletes nothing; how many files went out.

    Raises StepStopped, Fenced, PublishError (the books cannot be read, nor the bucket), OSError.
    """
    state = _read(ctx.paths.tmp)
    if state is None or not dist.is_dir() or dist.is_symlink():
        return 0
    files = scan(dist)
    if not state.complete:
        files = whole(files, live=live_keys(ctx), public=ctx.paths.site / _PUBLIC)
        ctx.log("files of the interrupted build that are whole", count=len(files))
    if not files:
        return 0
    outcome = publish(ctx, files, state.commit, partial=True)
    if outcome.error is not None:
        ctx.log("the partial publish is not whole", level="warning", error=outcome.error.message)
    return outcome.uploaded


def whole(files: list[LocalFile], *, live: Collection[str], public: Path) -> list[LocalFile]:
    """The files of an interrupted build that are whole, and whose own references are too, or are live already.

    A file counts as whole if it equals the one in `public`, or if its format says so. Hashed assets whose format does
    not say it (scripts, stylesheets) are, if a whole page is newer: the bundle is written before the first page. What
    cannot be proved is left out, and so are the build's own scratch folders (`.prerender`).

    Args:
        files: what is in dist.
        live: keys that are live already.
        public: the site's folder of static files.
    """
    kept: dict[str, LocalFile] = {}
    wanted: dict[str, set[str]] = {}
    newest_page = 0
    others = []
    for file in files:
        if _is_scratch(file.key):
            continue
        if not is_html(file.key):
            others.append(file)
        # One content at a time: a site's together may be more than the task's memory.
        elif file.size <= _JUDGED_BYTES and is_whole_page(content := file.path.read_bytes()):
            kept[file.key] = file
            wanted[file.key] = references(file.key, content)
            newest_page = max(newest_page, file.path.stat().st_mtime_ns)
    for file in others:
        if file.size <= _JUDGED_BYTES:
            content = file.path.read_bytes()
            proved, needs = _is_proved(file, content, public, newest_page), references(file.key, content)
        else:
            proved, needs = _digest(public / file.key) == file.md5, set[str]()
        if proved:
            kept[file.key] = file
            wanted[file.key] = needs
    # Scripts import each other in circles: take away what cannot work until nothing more falls.
    while broken := [key for key in kept if not all(ref in kept or ref in live for ref in wanted[key])]:
        for key in broken:
            del kept[key]
    return list(kept.values())


def _is_proved(file: LocalFile, content: bytes, public: Path, newest_page: int) -> bool:
    if _digest(public / file.key) == file.md5:
        return True
    says = is_whole(file.key, content)
    if says is not None:
        return says
    return is_hashed(file.key) and file.size > 0 and file.path.stat().st_mtime_ns < newest_page


def _is_scratch(key: str) -> bool:
    return any(part.startswith(".") and part != ".well-known" for part in PurePosixPath(key).parts)


def _digest(path: Path) -> str | None:
    if path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _write(tmp: Path, state: DistState) -> None:
    tmp.mkdir(parents=True, exist_ok=True)
    (tmp / _STATE).write_text(json.dumps(asdict(state)))


def _read(tmp: Path) -> DistState | None:
    try:
        return DistState(**json.loads((tmp / _STATE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
