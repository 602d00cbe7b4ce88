"""The files of a build as objects: key, digest, content type, cache control."""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HASHED_PREFIX = "_astro/"
"""Astro's `build.assets` folder: names carry a digest of the content."""

IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "public, max-age=0, must-revalidate"

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".htm": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".map": "application/json; charset=utf-8",
    ".webmanifest": "application/manifest+json; charset=utf-8",
    ".xml": "application/xml; charset=utf-8",
    ".rss": "application/rss+xml; charset=utf-8",
    ".atom": "application/atom+xml; charset=utf-8",
    ".xsl": "text/xsl; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".ics": "text/calendar; charset=utf-8",
    ".vtt": "text/vtt; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".ico": "image/x-icon",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".otf": "font/otf",
    ".wasm": "application/wasm",
    ".pdf": "application/pdf",
    ".zip": "application/zip",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}
"""A table of our own: `mimetypes` reads the machine's files and knows neither avif nor woff2 everywhere."""


class UnpublishableName(OSError):
    """A file's name cannot be an object's key."""


@dataclass(frozen=True)
class LocalFile:
    """A file of the build and the object it becomes."""

    key: str
    path: Path
    md5: str
    size: int
    content_type: str
    cache_control: str


def is_hashed(key: str) -> bool:
    """Whether a key's content never changes."""
    return key.startswith(HASHED_PREFIX)


def is_html(key: str) -> bool:
    """Whether a key is a page."""
    return key.lower().endswith((".html", ".htm"))


def content_type(key: str) -> str:
    """The Content-Type of a key, by its suffix."""
    return CONTENT_TYPES.get(Path(key).suffix.lower(), "application/octet-stream")


def cache_control(key: str) -> str:
    """The Cache-Control of a key: hashed assets for a year, everything else is asked for each time."""
    return IMMUTABLE if is_hashed(key) else REVALIDATE


def scan(dist: Path) -> list[LocalFile]:
    """The regular files below a folder, by key. Raises OSError, also for a name that can be no key.

    Links are left out: what built the folder chose their targets, and the bucket is public.
    """
    return sorted((_describe(dist, path) for path in _regular(dist)), key=lambda file: file.key)


def _regular(dist: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(dist):
        for name in names:
            path = Path(folder) / name
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def _describe(dist: Path, path: Path) -> LocalFile:
    key = path.relative_to(dist).as_posix()
    if any(0xD800 <= ord(character) <= 0xDFFF for character in key):
        raise UnpublishableName(f"the name of {key.encode('utf-8', 'backslashreplace').decode()!r} is not UTF-8")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return LocalFile(key, path, digest, path.stat().st_size, content_type(key), cache_control(key))
