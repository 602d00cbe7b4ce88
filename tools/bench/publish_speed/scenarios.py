"""Changes of a built site between two publishes."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_DELETED = 100
_CSS = "_astro/*.css"


@dataclass(frozen=True)
class Scenario:
    """The scenario's name, and the changes by the build."""

    name: str
    change: Callable[[Path], None]


def rewritten(dist: Path) -> None:
    """Every file has a new time: a build writes all of them again."""
    now = time.time()
    for path in dist.rglob("*"):
        if path.is_file():
            os.utime(path, (now, now))


def _nothing(_: Path) -> None:
    pass


def _one_page(dist: Path) -> None:
    page = _pages(dist)[0]
    page.write_text(page.read_text().replace("</h1>", ", edited</h1>", 1))


def _stylesheet(dist: Path) -> None:
    old = next(dist.glob(_CSS))
    new = old.with_name(f"{old.name.split('.')[0]}.Ch4nged_.css")
    new.write_text(old.read_text().replace("}", "}\n", 1) + "/* changed */")
    old.unlink()
    for page in dist.rglob("*.html"):
        page.write_text(page.read_text().replace(old.name, new.name))


def _fewer_pages(dist: Path) -> None:
    for page in _pages(dist)[-_DELETED:]:
        page.unlink()
        page.parent.rmdir()


def _pages(dist: Path) -> list[Path]:
    return sorted(dist.glob("journal/post-*/index.html"), key=lambda path: int(path.parent.name.rpartition("-")[2]))


ONE_PAGE = "one page changed"

ROLLBACKS = {
    "rolled back over one page": "that page published again",
    "rolled back over all three": "all three published again",
}
"""And the publish that each is held against, right after it: of the same files, on an endpoint that holds as much.
Sitewright alone knows a way back."""

SCENARIOS = (
    Scenario("first upload", _nothing),
    Scenario("rebuild, no change", _nothing),
    Scenario(ONE_PAGE, _one_page),
    Scenario("one stylesheet changed", _stylesheet),
    Scenario("a hundred pages deleted", _fewer_pages),
)
"""The scenarios in order. Each begins with the bucket that the one before left."""
