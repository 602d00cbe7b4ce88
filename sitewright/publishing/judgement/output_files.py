"""Judges the files of a build by their names: the root page, server code, LFS pointers. Pure."""

import posixpath
from collections.abc import Collection, Iterable, Sequence

from sitewright.contracts.error_codes import ErrorCode
from sitewright.publishing.judgement.findings import Finding, counted, named
from sitewright.publishing.pages.addresses import INDEX
from sitewright.publishing.site_files import LocalFile, is_html

_SERVER = "server/"
_PROGRAMS = {".js", ".mjs", ".cjs"}
_WORKER = "_worker.js"


def missing_root_page(live: Collection[str], keys: Collection[str]) -> Finding | None:
    """Returns a finding if the root page is live and the build lacks it.

    Args:
        live: the keys that are live.
        keys: the keys of the build.
    """
    if INDEX not in live or INDEX in keys:
        return None
    text = "The site's root page would vanish: index.html is live, and the build has none."
    moved = sorted((key for key in keys if key.endswith(f"/{INDEX}")), key=lambda key: (key.count("/"), key))
    if moved:
        text += f" It has {named(moved[:3])}. Did the output move to another folder?"
    return Finding(ErrorCode.ROOT_PAGE_MISSING, text)


def server_code(new: Iterable[str], keys: Collection[str]) -> Finding | None:
    """Returns a finding if new files are a server's, which everybody could read.

    `server/` is a server's folder if it has programs and no page: Astro's adapters write `server/entry.mjs` beside `client/`,
    and Cloudflare's `_worker.js` (https://docs.astro.build/en/reference/configuration-reference/#buildserver). A page about
    servers is none.

    Args:
        new: the keys that the publish would add or replace.
        keys: the keys of the build.
    """
    has_page = any(key.startswith(_SERVER) and is_html(key) for key in keys)
    found = sorted(key for key in new if _is_servers(key, folder=not has_page))
    if not found:
        return None
    text = f"The build has {counted(len(found), 'file')} of a server, which everybody could read: {named(found)}."
    text += " The site is served as files only: build static pages, without a server adapter."
    return Finding(ErrorCode.SERVER_CODE, text)


def lfs_pointers(new: Sequence[LocalFile]) -> Finding | None:
    """Returns a finding if new files are pointers of Git LFS in place of the files themselves."""
    found = sorted({file.name for file in new if file.is_lfs_pointer})
    if not found:
        return None
    text = f"{counted(len(found), 'file')} of the build would be the text of a Git LFS pointer, not the file: {named(found)}."
    return Finding(ErrorCode.LFS_POINTERS, text, repairable=False)


def _is_servers(key: str, *, folder: bool) -> bool:
    parts = key.split("/")
    if parts[0] == _WORKER or parts[-1] == ".dev.vars" or parts[-1] == ".env" or parts[-1].startswith(".env."):
        return True
    return folder and key.startswith(_SERVER) and posixpath.splitext(key)[1] in _PROGRAMS
