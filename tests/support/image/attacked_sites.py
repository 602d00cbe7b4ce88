"""The sites of the tests in containers. Their repositories bring the attacker's programs along."""

import json
import shutil
from pathlib import Path

from sitewright.local.machine.stack_home import Home
from sitewright.local.stack import stack_state
from sitewright.local.stack.site_repositories import ensure_repository
from tools.small_site import commit, small_files

ATTACKS = Path(__file__).parents[2] / "image" / "attacks"

MAIN = "main"
"""For the main scenarios."""

SHELL = "shell"
"""Attacked from the agent's shell."""

BUILD = "build"
"""Attacked from the site's build script."""

NAMES = "names"
"""Its build writes files that a bucket refuses. A site of its own, for the attack may block the site."""

PACKAGES = "packages"
"""It has a package, a lock file, and so an archive of node_modules that its sessions share."""

SITES = (MAIN, SHELL, BUILD, NAMES, PACKAGES)
IDLE_SECONDS = 25
"""How long a workspace stays: long enough for a test's next command."""

_ATTACKED_BUILD = "node build.mjs && if [ -f attack ]; then sh ./attack; fi"
"""The attack of a build script is the file `attack`, which a command of the same test writes."""


def announce(home: Home) -> None:
    """Registers the sites for the first `up`."""
    home.create()
    for name in SITES:
        ensure_repository(home.git / f"{name}.git", str(_repository(home.root / f"repository {name}", name)))
    stack_state.save(home, {**stack_state.read(home), "sites": list(SITES)})


def _repository(folder: Path, name: str) -> Path:
    package = {"name": "attacked", "version": "1.0.0", "private": True, "scripts": {"build": _ATTACKED_BUILD}}
    files = small_files()
    if name == PACKAGES:
        package["dependencies"] = {"escape-html": "1.0.3"}
        files |= {"package-lock.json": json.dumps(_lock(package), indent=2) + "\n"}
    shutil.copytree(ATTACKS, folder / "attacks", ignore=shutil.ignore_patterns("__pycache__"))
    return commit(folder, "main", {**files, "package.json": json.dumps(package, indent=2) + "\n"})


def _lock(package: dict[str, object]) -> dict[str, object]:
    escape_html = {
        "version": "1.0.3",
        "resolved": "https://registry.npmjs.org/escape-html/-/escape-html-1.0.3.tgz",
        "integrity": "sha512-NiSupZ4OeuGwr68lGIeym/ksIZMJodUGOSCZ/FSnTxcrekbvqrgdUxlJOMpijaKZVjAJrWrGs/6Jy8OMuyj9ow==",
    }
    root = {name: package[name] for name in ("name", "version", "dependencies")}
    return {
        "name": package["name"],
        "version": package["version"],
        "lockfileVersion": 3,
        "requires": True,
        "packages": {"": root, "node_modules/escape-html": escape_html},
    }
