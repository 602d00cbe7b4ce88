"""Selects the files of an interrupted build that can go live without breaking a page."""

import hashlib
import os
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from sitewright.publishing.dist_files import open_beneath, open_file
from sitewright.publishing.interrupted.completeness import is_whole, is_whole_page
from sitewright.publishing.interrupted.references import references
from sitewright.publishing.site_files import LocalFile, is_hashed, is_html

_JUDGED_BYTES = 32 * 2**20
"""Maximum size of a file whose format is parsed in memory. A larger file counts as whole only if `public` has it too."""


def select_whole(files: list[LocalFile], *, live: Collection[str], public: Path) -> list[LocalFile]:
    """Returns the whole files of an interrupted build whose references are whole too, or are live already.

    A file is whole if it equals the file in `public`, or if its format shows its end. A hashed asset of another format
    (script, stylesheet) is whole if a whole page is newer: Astro writes the bundle before the first page. All other files
    are left out, and so are the build's own scratch folders (`.prerender`).

    Args:
        files: the files in dist.
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
        # One file in memory at a time: all files of a site may exceed the task's memory.
        elif file.size <= _JUDGED_BYTES:
            content, changed_at = _read(file)
            if is_whole_page(content):
                kept[file.key] = file
                wanted[file.key] = references(file.key, content)
                newest_page = max(newest_page, changed_at)
    for file in others:
        proved, needs = _digest(public, file) == file.md5, set[str]()
        if file.size <= _JUDGED_BYTES:
            content, changed_at = _read(file)
            proved = proved or _is_proved(file, content, changed_at, newest_page)
            needs = references(file.key, content)
        if proved:
            kept[file.key] = file
            wanted[file.key] = needs
    # Scripts may import each other in circles: remove broken files until none is left.
    while broken := [key for key in kept if not all(ref in kept or ref in live for ref in wanted[key])]:
        for key in broken:
            del kept[key]
    return list(kept.values())


def _is_proved(file: LocalFile, content: bytes, changed_at: int, newest_page: int) -> bool:
    by_format = is_whole(file.key, content)
    if by_format is not None:
        return by_format
    return is_hashed(file.key) and file.size > 0 and changed_at < newest_page


def _is_scratch(key: str) -> bool:
    return any(part.startswith(".") and part != ".well-known" for part in PurePosixPath(key).parts)


def _read(file: LocalFile) -> tuple[bytes, int]:
    """Returns a file's content, at most the scanned size, and its time of change (ns)."""
    with open_file(file) as opened:
        return opened.read(file.size), os.fstat(opened.fileno()).st_mtime_ns


def _digest(public: Path, file: LocalFile) -> str | None:
    """Returns the digest of the file's namesake in `public`; None if it has another size, or is none that may be read."""
    try:
        with open_beneath(public, file.key) as opened:
            if os.fstat(opened.fileno()).st_size != file.size:
                return None
            return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError:
        return None
