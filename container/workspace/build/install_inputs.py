"""The inputs of an installation besides the machine. A digest of them is the key of the node_modules archive.

The site's own install scripts (patch-package, a generator) may read any file of the repository. Without an archive such
a site would install at each cold start, and husky's `prepare` is such a script. If all files counted, the site would
install after each edit. So two kinds of files count: those that such scripts usually read, and those that the scripts'
lines name.
"""

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from workspace.repository.checkout import Checkout

LIFECYCLE = ("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare")
"""The site's own scripts that `npm ci` runs, in npm's order (npm documentation, "scripts", Life Cycle Operation
Order)."""

_PACKAGES = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "overrides", "resolutions")
_SETTINGS = (".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs", "pnpm-workspace.yaml")
_PATCHES = ("patches", ".yarn/patches")
"""The folders of patch-package and pnpm, and of yarn."""

_SUFFIXES = ("", ".js", ".mjs", ".cjs", ".ts")
"""A script may name tools/setup.js as `node tools/setup`."""

_IGNORES_SCRIPTS = re.compile(r"^\s*ignore-scripts\s*=\s*true\s*$", re.MULTILINE)


def inputs(checkout: Checkout, package: Mapping[str, Any], lockfile: str) -> dict[str, Any]:
    """Returns the inputs as JSON. Reads lock file and settings in the worktree, and script inputs from HEAD.

    Raises GitError, OSError.
    """
    site = checkout.site
    # One script may call another.
    scripts = package.get("scripts") if lifecycle(package) else None
    return {
        "lockfile": _sha256(site / lockfile),
        "settings": {name: _sha256(site / name) for name in _SETTINGS},
        "package": {name: package.get(name) for name in _PACKAGES},
        "scripts": scripts,
        "read": _committed(checkout, (*_PATCHES, *_named(site, scripts or {}))),
    }


def lifecycle(package: Mapping[str, Any]) -> list[str]:
    """Returns the site's own install scripts, in the order of their execution."""
    scripts = package.get("scripts")
    return [name for name in LIFECYCLE if isinstance(scripts, dict) and isinstance(scripts.get(name), str)]


def ignores_scripts(site: Path) -> bool:
    """Returns whether the site's .npmrc forbids all install scripts."""
    settings = site / ".npmrc"
    return settings.is_file() and _IGNORES_SCRIPTS.search(settings.read_text(errors="replace")) is not None


def _named(site: Path, scripts: Mapping[str, Any]) -> set[str]:
    """Returns the files and folders named by install scripts and by the scripts that they call.

    Instead of a file its folder counts, because the file may import its neighbours.
    """
    found: set[str] = set()
    seen, waiting = set(), [name for name in LIFECYCLE if name in scripts]
    while waiting:
        name = waiting.pop()
        if name in seen or not isinstance(scripts.get(name), str):
            continue
        seen.add(name)
        for word in _words(scripts[name]):
            waiting.append(word)
            path = PurePosixPath(word)
            if not path.parts or path.is_absolute() or ".." in path.parts or path.parts[0] == "node_modules":
                continue
            for suffix in _SUFFIXES:
                file = f"{path}{suffix}"
                if (site / file).is_dir():
                    found.add(file)
                elif (site / file).is_file():
                    folder = str(PurePosixPath(file).parent)
                    found.add(file if folder == "." else folder)
    return found


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _committed(checkout: Checkout, paths: Iterable[str]) -> str:
    """Returns names and digests of the committed files at these paths."""
    return checkout.run("ls-tree", "-z", "HEAD", "--", *sorted(set(paths)))


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
