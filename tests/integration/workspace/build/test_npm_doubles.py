"""The doubles of npm do what npm does: the writer of lock files, and the small program."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.publishing.site_world import write
from tests.support.workspace.npm_lock import write_lock
from tests.support.workspace.npm_registry import NpmRegistry, npm_registry

PACKAGE: dict[str, Any] = {
    "name": "site",
    "version": "1.0.0",
    "scripts": {"build": "tiny > built.txt; exit 7"},
    "dependencies": {"tiny": "1.0.0"},
    "devDependencies": {"small": "1.0.0"},
}
FOLDERS = {"dependencies": {"tiny": "file:./tiny"}, "devDependencies": {}}
TINY = {
    "tiny/package.json": json.dumps({"name": "tiny", "version": "1.0.0", "bin": {"tiny": "index.js"}}),
    "tiny/index.js": "#!/bin/sh\necho tiny\n",
}


@pytest.fixture
def registry() -> Iterator[NpmRegistry]:
    with npm_registry() as made:
        postinstall = {"postinstall": "echo made by a script > made.txt"}
        made.add("tiny", {"index.js": TINY["tiny/index.js"]}, bin={"tiny": "index.js"}, scripts=postinstall)
        made.add("small", {})
        yield made


def site_of(folder: Path, changes: dict[str, Any]) -> Path:
    write(folder / "site", {"package.json": json.dumps(PACKAGE | changes), **(TINY if changes else {})})
    return folder / "site"


def npm(site: Path, *arguments: str) -> int:
    # omit-lockfile-registry-resolved may stand in the .npmrc of the machine's user.
    env = {**os.environ, "HOME": str(site.parent), "NPM_CONFIG_CACHE": str(site.parent / "cache")}
    return subprocess.run(["npm", *arguments], cwd=site, env=env, capture_output=True, check=False).returncode


@pytest.mark.parametrize("changes", [{}, FOLDERS], ids=["registry", "folders"])
def test_a_lock_file_is_npms(tmp_path: Path, registry: NpmRegistry, changes: dict[str, Any]) -> None:
    site = site_of(tmp_path, changes)
    if changes:
        write_lock(site)
    else:
        registry.lock(site)
    lock = site / "package-lock.json"
    written = json.loads(lock.read_text())
    lock.unlink()
    assert npm(site, "install", "--package-lock-only") == 0
    assert json.loads(lock.read_text()) == written


def outcome(site: Path, *arguments: str) -> dict[str, str]:
    """Installs and builds. Returns the files, without those that npm keeps for itself."""
    assert npm(site, *arguments) == 0
    assert npm(site, "run", "build") == 7
    files = (path for path in site.rglob("*") if path.is_file() and not path.name.startswith(".package-lock"))
    return {str(path.relative_to(site)): path.read_text() for path in files}


@pytest.mark.parametrize("changes", [{}, FOLDERS], ids=["registry", "folders"])
def test_the_small_npm_installs_and_runs_like_npm(
    tmp_path: Path,
    registry: NpmRegistry,
    changes: dict[str, Any],
    small_npm_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def made(name: str, arguments: tuple[str, ...], prepare: Callable[[Path], None]) -> dict[str, str]:
        site = site_of(tmp_path / name, changes)
        prepare(site)
        return outcome(site, *arguments)

    install: tuple[str, ...] = ("install", "--no-package-lock") if changes else ("ci",)
    prepare = (lambda site: None) if changes else registry.lock
    real = made("real", install, prepare)
    monkeypatch.setenv("PATH", f"{small_npm_folder}{os.pathsep}{os.environ['PATH']}")
    assert made("small", install, prepare) == real and real["built.txt"] == "tiny\n"
