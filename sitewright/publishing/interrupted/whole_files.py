"""Selects the files of an interrupted build that can go live without breaking a page."""

import hashlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath

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
    # Scripts may import each other in circles: remove broken files until none is left.
    while broken := [key for key in kept if not all(ref in kept or ref in live for ref in wanted[key])]:
        for key in broken:
            del kept[key]
    return list(kept.values())


def _is_proved(file: LocalFile, content: bytes, public: Path, newest_page: int) -> bool:
    if _digest(public / file.key) == file.md5:
        return True
    by_format = is_whole(file.key, content)
    if by_format is not None:
        return by_format
    return is_hashed(file.key) and file.size > 0 and file.path.stat().st_mtime_ns < newest_page


def _is_scratch(key: str) -> bool:
    return any(part.startswith(".") and part != ".well-known" for part in PurePosixPath(key).parts)


def _digest(path: Path) -> str | None:
    if path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
