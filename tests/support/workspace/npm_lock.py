"""Writes a package-lock.json as npm does: npm itself takes half a second of a core for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Package = dict[str, Any]
KINDS = ("dependencies", "devDependencies")


def _in_no_registry(name: str) -> Package:
    raise KeyError(name)


def write_lock(site: Path, manifest: Callable[[str], Package] = _in_no_registry) -> None:
    """Locks packages in folders of the site (`file:./x`), and those of a registry, which says the manifest of each.

    tests/integration/workspace/build/test_npm_doubles.py compares the file with npm's.
    """
    package = json.loads((site / "package.json").read_text())
    packages: dict[str, Package] = {}
    for kind in KINDS:
        more = {"dev": True} if kind == "devDependencies" else {}
        for name, version in package.get(kind, {}).items():
            if version.startswith("file:./"):
                folder = version.removeprefix("file:./")
                packages[f"node_modules/{name}"] = {"resolved": folder, "link": True}
                packages[folder] = _entry(json.loads((site / folder / "package.json").read_text()), more)
            else:
                packages[f"node_modules/{name}"] = _entry(manifest(name), more)
    root = {key: package[key] for key in ("name", "version", *KINDS) if key in package}
    head = {"name": package["name"], "version": package["version"], "lockfileVersion": 3, "requires": True}
    lock = {**head, "packages": {"": root, **dict(sorted(packages.items()))}}
    (site / "package-lock.json").write_text(json.dumps(lock, indent=2) + "\n")


def _entry(manifest: Package, more: Package) -> Package:
    dist = manifest.get("dist", {})
    entry = {"version": manifest["version"]}
    entry |= {
        key: value for key, value in (("resolved", dist.get("tarball")), ("integrity", dist.get("integrity"))) if value
    }
    entry |= more
    return entry | {key: manifest[key] for key in ("hasInstallScript", "bin") if key in manifest}
