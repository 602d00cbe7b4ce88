"""The addresses of pages: which keys serve one, and how one is shown. Pure."""

from collections.abc import Collection, Iterable

from sitewright.publishing.site_files import is_html

INDEX = "index.html"


def address_of(key: str) -> str:
    """Returns the address of a page without slashes around it: `about` for `about.html` and for `about/index.html`."""
    if key == INDEX:
        return ""
    if key.endswith(f"/{INDEX}"):
        return key.removesuffix(f"/{INDEX}")
    return key.rpartition(".")[0]


def page_addresses(keys: Iterable[str]) -> dict[str, str]:
    """Returns the pages among some keys: address and key."""
    return {address_of(key): key for key in keys if is_html(key)}


def shown(key: str) -> str:
    """Returns a page's key as a visitor writes it: `/about/`, `/about.html`."""
    return f"/{key.removesuffix(INDEX)}" if key == INDEX or key.endswith(f"/{INDEX}") else f"/{key}"


def is_served(path: str, keys: Collection[str]) -> bool:
    """Tells whether the site answers to a path (decoded, without the leading slash): a file, or the index of a folder."""
    if not path or path.endswith("/"):
        return f"{path}{INDEX}" in keys
    return path in keys or f"{path}/{INDEX}" in keys
