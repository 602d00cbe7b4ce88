"""Describes the files of a build as objects: key, digest, content type, cache control."""

import posixpath
from dataclasses import dataclass

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

DELETE_BATCH = 1000
"""DeleteObjects takes at most this many keys (S3 API reference)."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of the build, with the metadata of its object."""

    key: str
    root: str
    """The build's folder. Only `dist_files.open_file` may open the file: the build may have replaced it by a link."""
    md5: str
    size: int
    content_type: str
    cache_control: str
    crc32: int | None = None
    source: str | None = None
    """The file's name in the build if it differs from the key: a flat page has two keys."""
    is_lfs_pointer: bool = False
    """Whether the file is the pointer of a file in Git LFS."""

    @property
    def name(self) -> str:
        """The file's name in the build."""
        return self.source or self.key


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


def may_be_page(key: str) -> bool:
    """Tells whether a key is a page, or may be the second key of one: that has no suffix."""
    return is_html(key) or "." not in key.rpartition("/")[2]


def content_type(key: str) -> str:
    """Returns the Content-Type of a key, by its suffix."""
    return CONTENT_TYPES.get(posixpath.splitext(key)[1].lower(), "application/octet-stream")


def cache_control(key: str) -> str:
    """Returns the Cache-Control of a key: a year for hashed assets, revalidation at each request for other files.

    With a longer time a client would see the old page for that time after an edit. Revalidation costs a round trip and no
    bytes (304), and no cached page is older than the stored assets.
    """
    return IMMUTABLE if is_hashed(key) else REVALIDATE
