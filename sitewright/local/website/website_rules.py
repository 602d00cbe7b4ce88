"""S3's website rules, pure: from a request's path to the keys to try and the answer to give.

Source: "Hosting a static website using Amazon S3", sections "Configuring an index document" and "Configuring a custom
error document" of the S3 user guide.
"""

from dataclasses import dataclass
from urllib.parse import quote, unquote


@dataclass(frozen=True)
class Website:
    """A bucket's website configuration."""

    index_suffix: str
    error_key: str | None


@dataclass(frozen=True)
class Lookup:
    """Returns the object to serve for a path, and the object whose presence makes the answer a redirect to a folder."""

    key: str | None
    """None: no object can have this name."""
    folder_index: str | None = None
    redirect: str | None = None


def lookup(raw_path: str, website: Website) -> Lookup:
    """The lookup for a path as it stands in the request line (percent-encoded, without the query).

    A plus stays a plus: only a query encodes spaces so. Names with `.` or `..` segments or a NUL are nobody's: S3 would
    take them as they are, a file system behind an emulator might not.
    """
    try:
        path = unquote(raw_path, errors="strict")
    except UnicodeDecodeError:
        return Lookup(key=None)
    key = path.removeprefix("/")
    if "\0" in key or any(segment in {".", ".."} for segment in key.split("/")):
        return Lookup(key=None)
    if not key or key.endswith("/"):
        return Lookup(key=key + website.index_suffix)
    return Lookup(
        key=key, folder_index=f"{key}/{website.index_suffix}", redirect=quote(f"/{key}/", safe="/~!$&'()*+,;=:@")
    )


def not_modified(etag: str, last_modified: float, if_none_match: str | None, if_modified_since: float | None) -> bool:
    """Tells whether the client's copy is current (RFC 9110: If-None-Match before If-Modified-Since). Times are in seconds."""
    if if_none_match is not None:
        wanted = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
        return "*" in wanted or etag in wanted
    return if_modified_since is not None and int(last_modified) <= int(if_modified_since)
