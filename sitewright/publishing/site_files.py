"""Describes the files of a build as objects: key, digest, content type, cache control."""

import hashlib
import os
import posixpath
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sitewright.contracts.expiry import HASHED_PREFIX
from sitewright.publishing.manifest import Manifest

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
"""Our own table, because `mimetypes` reads the machine's files and does not know avif and woff2 everywhere."""

KEY_BYTES = 1024
"""Maximum length of a key in UTF-8 (S3 User Guide, "Naming Amazon S3 objects")."""

DELETE_BATCH = 1000
"""DeleteObjects takes at most this many keys (S3 API reference)."""

_CHUNK = 2**20


class UnpublishableName(OSError):
    """A file's name is not a valid object key."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of the build, with the metadata of its object."""

    key: str
    location: str
    """The file's path, a text: 20,000 `Path` objects would cost a fifth of a second, and few files are sent."""
    md5: str
    size: int
    content_type: str
    cache_control: str
    crc32: int | None = None

    @property
    def path(self) -> Path:
        """The file's path as a `Path`."""
        return Path(self.location)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An older version of an object of the site, which a copy makes the newest one again."""

    key: str
    version_id: str | None
    """None for an unknown version: such a file cannot be sent."""
    md5: str
    size: int
    content_type: str
    cache_control: str


@dataclass(frozen=True)
class SentObject:
    """The object that a sent file became."""

    etag: str
    """Without quotes."""
    version_id: str | None


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as ListObjectsV2 describes it."""

    etag: str
    """Without quotes."""
    size: int


SiteFile = LocalFile | StoredFile
"""A file that a publish sends: uploaded from the build, or copied from an older version."""


def stored_files(deployment: Manifest) -> list[StoredFile]:
    """Returns the files of a deployment, without the retired assets of older deployments."""
    return [
        StoredFile(key, entry.version_id, entry.md5, entry.size, entry.content_type, entry.cache_control)
        for key, entry in sorted(deployment.files.items())
        if entry.retired_at is None
    ]


def is_hashed(key: str) -> bool:
    """Tells whether a key contains a digest, so that its content never changes."""
    return key.startswith(HASHED_PREFIX)


def is_html(key: str) -> bool:
    """Tells whether a key is a page."""
    return key.lower().endswith((".html", ".htm"))


def content_type(key: str) -> str:
    """Returns the Content-Type of a key, by its suffix."""
    return CONTENT_TYPES.get(posixpath.splitext(key)[1].lower(), "application/octet-stream")


def cache_control(key: str) -> str:
    """Returns the Cache-Control of a key: a year for hashed assets, revalidation at each request for other files.

    With a longer time a client would see the old page for that time after an edit. Revalidation costs a round trip and no
    bytes (304), and no cached page is older than the stored assets.
    """
    return IMMUTABLE if is_hashed(key) else REVALIDATE


def scan(dist: Path) -> list[LocalFile]:
    """Returns the regular files below a folder, sorted by key. Raises OSError (UnpublishableName for an invalid name).

    Leaves out links: the guest's build chose their targets, and the bucket is public.
    """
    return sorted((_describe(key, path) for key, path in _regular(dist)), key=lambda file: file.key)


def _regular(dist: Path) -> Iterator[tuple[str, str]]:
    # `Path` objects would cost one second for 20,000 files.
    folders = [("", os.fspath(dist))]
    while folders:
        prefix, folder = folders.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append((f"{prefix}{entry.name}/", entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield prefix + entry.name, entry.path


def _describe(key: str, path: str) -> LocalFile:
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        shown = key.encode("utf-8", "backslashreplace").decode()
        raise UnpublishableName(f"the name of {shown!r} is not UTF-8") from error
    if length > KEY_BYTES:
        raise UnpublishableName(f"the path of {key[:100]!r}… has {length} bytes, a key of S3 has at most {KEY_BYTES}")
    digest, crc32, size = hashlib.md5(usedforsecurity=False), 0, 0
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a `Path` costs more than the digest
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            crc32 = zlib.crc32(chunk, crc32)
            size += len(chunk)
    return LocalFile(key, path, digest.hexdigest(), size, content_type(key), cache_control(key), crc32)
