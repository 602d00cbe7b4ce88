"""The sites of the end-to-end tests, and their repositories."""

from pathlib import Path

from sitewright.local.machine.stack_home import Home
from sitewright.local.stack import stack_state
from sitewright.local.stack.site_repositories import ensure_repository
from tools.small_site import commit, package, small_repository

PLAIN = "plain"
"""A site without Astro, from a user's own repository."""

OTHER = "other"
"""A second client's site, of the small kind."""

ASTRO = "astro"
"""The demo site. Only one test needs it: its packages and its builds take ten times the small site's time."""


def plain_repository(folder: Path) -> Path:
    """Creates a repository with the default branch `master` and no lock file. Its build copies the pages to `dist/`."""
    page = "<!doctype html><title>Plain</title><h1>Plain</h1></html>\n"
    files = {"pages/index.html": page, "package.json": package("plain", "rm -rf dist && cp -r pages dist")}
    return commit(folder, "master", files)


def announce_sites(home: Home, workers: int, only_worker: str) -> None:
    """Registers the sites for the first `up`: a small site for each worker, OTHER, and the demo site."""
    names = [f"gw{number}" for number in range(workers)] if only_worker.startswith("gw") else [only_worker]
    home.create()
    source = small_repository(home.root / "small site")
    small = [OTHER, *(f"site-{name}" for name in names)]
    for client in small:
        ensure_repository(home.git / f"{client}.git", str(source))
    state = stack_state.read(home)
    stack_state.save(home, {**state, "sites": [*small, ASTRO]})
