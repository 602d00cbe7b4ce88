"""Finds the folder that a build wrote. Pure but for the look at the checkout."""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sitewright.contracts.workspace_settings import OperatorSettings
from workspace.guest import guest_files
from workspace.guest.guest_files import GuestFileError, below
from workspace.repository.local_rules import CACHES, OUTPUTS, PACKAGES

PUBLIC = "public"
"""Hugo and Gatsby write it. For Astro, Vite and Eleventy it is a folder of sources."""

INDEX = "index.html"

_CONFIGS = tuple(
    f"{tool}.config.{suffix}" for tool in ("astro", "vite") for suffix in ("mjs", "ts", "js", "mts", "cjs")
)
_CONFIG_BYTES = 2**20
_OUT_DIR = re.compile(r"""^(?!\s*//).*?\boutDir\s*:\s*(['"`])(?P<folder>[^'"`$]+)\1""", re.MULTILINE)

_SEEN = 10
"""How many folders are named where none is known."""

_ENTRIES = 20_000


def outputs_of(settings: OperatorSettings) -> tuple[str, ...]:
    """Returns the folders of a site that git leaves out from the beginning. Pure."""
    names = OUTPUTS if settings.output is None else (settings.output, *OUTPUTS)
    return tuple(dict.fromkeys(below(settings.directory or "", name) for name in names))


@dataclass(frozen=True)
class OutputFolder:
    """Where the output of a site may lie. All names are relative to the checkout."""

    site: Path
    directory: str
    """The site's folder; empty for the checkout itself."""
    setting: str | None
    sources: Callable[[Sequence[str]], set[str]]
    """Returns those of these folders that have committed files."""

    def candidates(self) -> list[str]:
        """Returns the folders that the build may write, the likeliest first. They are removed before it begins.

        A folder with committed files is a source, unless the setting or the tool's own configuration names it; and `dist`.
        """
        if self.setting is not None:
            return [below(self.directory, self.setting)]
        named = self._configured()
        usual = [below(self.directory, name) for name in (*OUTPUTS, PUBLIC)]
        free = [usual[0], *self._without_sources(usual[1:])]
        return list(dict.fromkeys((*named, *free)))

    def written(self, candidates: Iterable[str]) -> str | None:
        """Returns the folder that the build wrote: the first one with a root page, else the first one that exists."""
        there = [name for name in candidates if guest_files.is_folder(self.site, name)]
        return next(
            (name for name in there if guest_files.is_regular(self.site, f"{name}/{INDEX}")), next(iter(there), None)
        )

    def pages_elsewhere(self) -> list[str]:
        """Returns further folders of the site that have a root page, relative to it. For a message."""
        found = set[str]()
        try:
            for path in self._files():
                parent = PurePosixPath(path).parent
                if path.endswith(f"/{INDEX}") and not set(parent.parts) & {PACKAGES, *CACHES, ".git"}:
                    found.add(str(parent))
        except GuestFileError:
            # More entries than are looked at.
            pass
        top = [name for name in sorted(found) if not any(str(above) in found for above in PurePosixPath(name).parents)]
        free = self._without_sources([below(self.directory, name) for name in top])
        return [name for name in top if below(self.directory, name) in free][:_SEEN]

    def _without_sources(self, folders: Sequence[str]) -> list[str]:
        sources = self.sources(folders) if folders else set[str]()
        return [name for name in folders if name not in sources]

    def _files(self) -> Iterator[str]:
        for entry in guest_files.walk(
            self.site, self.directory or ".", max_entries=_ENTRIES, skipped={PACKAGES, ".git"}
        ):
            if entry.is_file:
                yield entry.path

    def _configured(self) -> Iterator[str]:
        for config in _CONFIGS:
            try:
                text = guest_files.read_file(self.site, below(self.directory, config), limit=_CONFIG_BYTES)
            except GuestFileError:
                continue
            yield from out_dirs(text.decode("utf-8", "replace"), self.directory)


def out_dirs(config: str, directory: str = "") -> list[str]:
    """Returns the folders of the checkout that a configuration of Astro or Vite names as `outDir`. Pure.

    The names are relative to the site's folder `directory`.
    """
    found = []
    for match in _OUT_DIR.finditer(config):
        folder = posixpath.normpath(below(directory, match["folder"]))
        parts = folder.split("/")
        if folder not in {".", directory} and not parts[0].startswith("..") and not set(parts) & {"", ".git", PACKAGES}:
            found.append(folder)
    return found
