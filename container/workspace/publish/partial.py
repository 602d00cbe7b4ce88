"""What of an unfinished publish can go live: whatever no page breaks by."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from workspace.context import StepContext
from workspace.publish.completeness import is_whole, is_whole_page
from workspace.publish.content import LocalFile, is_hashed, is_html, scan
from workspace.publish.execute import live_keys, publish
from workspace.publish.references import references

_STATE = "dist-state.json"

_PUBLIC = "public"
"""Astro and Vite copy this folder into dist as it is, before they do anything else."""


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
    contents = {file.key: file.path.read_bytes() for file in files if not _is_scratch(file.key)}
    files = [file for file in files if file.key in contents]
    pages = [file for file in files if is_html(file.key) and is_whole_page(contents[file.key])]
    newest_page = max((file.path.stat().st_mtime_ns for file in pages), default=0)
    kept = {
        file.key: file
        for file in files
        if not is_html(file.key) and _is_proved(file, contents[file.key], public, newest_page)
    }
    kept |= {file.key: file for file in pages}
    wanted = {key: references(key, contents[key]) for key in kept}
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
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _write(tmp: Path, state: DistState) -> None:
    tmp.mkdir(parents=True, exist_ok=True)
    (tmp / _STATE).write_text(json.dumps(asdict(state)))


def _read(tmp: Path) -> DistState | None:
    try:
        return DistState(**json.loads((tmp / _STATE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
