"""Tells whether a file of a killed build is whole.

The build may have died while it wrote the file, so the file may have any length. The file's age proves nothing, because a
write may stall. Only the content can prove it: most formats show their end.

Astro 7.3.5, killed at 28 moments, wrote the bundle's files first, then the pages one by one, then the optimised pictures.
The page that it was writing was empty or cut.
"""

import json
import posixpath
import re
from collections.abc import Callable

_ROOT = re.compile(rb"<([A-Za-z_][\w:.-]*)")


def is_whole(key: str, content: bytes) -> bool | None:
    """Tells whether the content ends where its format demands; None for a format that shows no end."""
    check = _CHECKS.get(posixpath.splitext(key)[1].lower())
    return check(content) if check else None


def is_whole_page(content: bytes) -> bool:
    """Tells whether an HTML document has its end tag."""
    return content.rstrip()[-7:].lower() == b"</html>"


def _png(content: bytes) -> bool:
    return content.startswith(b"\x89PNG\r\n\x1a\n") and content.endswith(b"\0\0\0\0IEND\xaeB`\x82")


def _jpeg(content: bytes) -> bool:
    return content.startswith(b"\xff\xd8") and content.endswith(b"\xff\xd9")


def _riff(content: bytes) -> bool:
    # The size in the header leaves out the header's own 8 bytes.
    return content[:4] == b"RIFF" and int.from_bytes(content[4:8], "little") + 8 == len(content)


def _boxes(content: bytes) -> bool:
    # ISO base media (AVIF, MP4) is a row of boxes; each begins with its size and kind. A file that was cut between two boxes
    # lacks the index (meta, moov) or the data. A fragmented film may end after any fragment.
    position, kinds = 0, set()
    while position + 8 <= len(content):
        size = int.from_bytes(content[position : position + 4], "big")
        kinds.add(content[position + 4 : position + 8])
        if size == 1:
            size = int.from_bytes(content[position + 8 : position + 16], "big")
        if size < 8:
            return False
        position += size
    return position == len(content) and b"mdat" in kinds and bool(kinds & {b"meta", b"moov"}) and b"moof" not in kinds


def _woff(content: bytes) -> bool:
    return content[:4] in {b"wOFF", b"wOF2"} and int.from_bytes(content[8:12], "big") == len(content)


def _pdf(content: bytes) -> bool:
    return content.startswith(b"%PDF") and b"%%EOF" in content[-1024:]


def _json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def _xml(content: bytes) -> bool:
    root = _ROOT.search(re.sub(rb"<!--.*?-->", b"", content, flags=re.DOTALL))
    if root is None:
        return False
    end = content.rstrip()
    return end.endswith(b"</" + root[1] + b">") or (end.endswith(b"/>") and end.count(b"<", root.start() + 1) == 0)


def _html(content: bytes) -> bool:
    return is_whole_page(content)


_CHECKS: dict[str, Callable[[bytes], bool]] = {
    ".html": _html,
    ".htm": _html,
    ".png": _png,
    ".jpg": _jpeg,
    ".jpeg": _jpeg,
    ".webp": _riff,
    ".wav": _riff,
    ".avif": _boxes,
    ".mp4": _boxes,
    ".m4a": _boxes,
    ".woff": _woff,
    ".woff2": _woff,
    ".pdf": _pdf,
    ".json": _json,
    ".map": _json,
    ".webmanifest": _json,
    ".xml": _xml,
    ".rss": _xml,
    ".atom": _xml,
    ".xsl": _xml,
    ".svg": _xml,
}
