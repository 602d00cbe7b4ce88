"""Gives flat pages a second key, so that `/about` serves `about.html` (Astro's `build.format: 'file'`).

S3's website endpoint serves `/about` from a key `about`. The function at CloudFront's edge takes a name without suffix for a
folder, so there a small page under `about/index.html` leads to `/about.html`. A copy of the page would break its relative links:
its address would end in a slash.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape
from json import dumps
from pathlib import Path
from urllib.parse import quote

from sitewright.contracts.limits import DIST_FILES, KEY_BYTES
from sitewright.publishing.dist_files import scan
from sitewright.publishing.pages.addresses import INDEX
from sitewright.publishing.site_files import REVALIDATE, LocalFile

_ALONE = frozenset({"", ".", "..", "index", "404", "500"})
"""Pages without an address of their own. A path would take the names of dots for folders."""

_LEADS_ON = """<!DOCTYPE html>
<meta charset="utf-8"><title>{title}</title><link rel="canonical" href="{address}">
<script>location.replace({target} + location.search + location.hash)</script>
<meta http-equiv="refresh" content="0; url={address}"><a href="{address}">{title}</a>
</html>
"""


def further_keys(files: Sequence[LocalFile]) -> list[LocalFile]:
    """Returns each flat page once more, under its key without suffix. For a bucket with S3's website endpoint."""
    return [replace(file, key=name, source=file.key, cache_control=REVALIDATE) for file, name in _flat(files)]


def leading_pages(files: Sequence[LocalFile], folder: Path) -> list[LocalFile]:
    """Writes for each flat page a page that leads to it, and returns those. For a bucket behind CloudFront.

    Args:
        files: the build.
        folder: an empty folder of the runner's, in which the pages stay until they are sent.

    Raises OSError.
    """
    for file, name in _flat(files):
        page = folder / name / INDEX
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(leading_page(file.key), encoding="utf-8")
    return scan(folder) if folder.exists() else []


def leading_page(key: str) -> str:
    """Returns a page that leads to the page `key`. With a script it keeps query and fragment."""
    address = "/" + quote(key, safe="/-._~!$'()*+,;=:@")
    # `</` would end the script.
    target = dumps(address).replace("</", "<\\/")
    return _LEADS_ON.format(title=escape(key), address=escape(address), target=target)


def _flat(files: Sequence[LocalFile]) -> Iterator[tuple[LocalFile, str]]:
    keys = {file.key for file in files}
    found = [
        (file, name)
        for file in files
        if file.key.endswith(".html")
        and (name := file.key.removesuffix(".html")).rpartition("/")[2] not in _ALONE
        and name not in keys
        and f"{name}/{INDEX}" not in keys
        and len(f"{name}/{INDEX}".encode()) <= KEY_BYTES
    ]
    return iter(found if len(found) + len(files) <= DIST_FILES else [])
