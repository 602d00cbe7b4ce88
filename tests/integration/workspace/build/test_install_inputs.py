"""The files that the site's own install scripts read belong to the key of node_modules."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from workspace.build.install_inputs import inputs

from tests.integration.workspace.build.test_dependencies import SITE, archives, edit_package, provide
from tests.support.publishing.site_world import Site, make_site, npm_lock, write
from tests.support.workspace.runner_parts import git

POSTINSTALL = {
    "tools/setup.mjs": "import { text } from './text.mjs'\nimport { writeFileSync } from 'node:fs'\n"
    "writeFileSync('made.txt', text)\nwriteFileSync('node_modules/made.txt', text)\n",
    "tools/text.mjs": "export const text = 'one'\n",
    ".gitignore": "node_modules\ndist\nmade.txt\n",
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with mock_aws():
        made = make_site(tmp_path, SITE | POSTINSTALL)
        npm_lock(made.folder)
        yield made


def commit(site: Site, files: dict[str, str] | None = None) -> None:
    write(site.folder, files or {})
    git(site.folder, "add", "-A")
    git(site.folder, "commit", "-qm", "Edit", "--allow-empty")


def made(site: Site) -> list[str]:
    return [(site.folder / name).read_text() for name in ("made.txt", "node_modules/made.txt")]


def test_an_imported_file_of_an_install_script_changes_the_key(site: Site) -> None:
    edit_package(site, scripts={"build": "x", "postinstall": "node tools/setup.mjs"})
    commit(site)
    assert provide(site) and made(site) == ["one", "one"]
    assert not provide(site), "nothing changed"
    commit(site, {"src/pages/index.astro": "an edit"})
    assert not provide(site), "no script names it"
    commit(site, {"tools/text.mjs": "export const text = 'two'\n"})
    assert provide(site) and made(site) == ["two", "two"] and len(archives(site)) == 2


def test_install_scripts_run_on_archived_packages_too(site: Site) -> None:
    edit_package(site, scripts={"build": "x", "postinstall": "node tools/setup.mjs"})
    commit(site)
    provide(site)
    shutil.rmtree(site.folder / "node_modules")
    (site.folder / "made.txt").unlink()
    assert not provide(site), "from the archive"
    assert made(site) == ["one", "one"]


def test_the_scripts_run_in_npms_order_and_once_each(site: Site) -> None:
    scripts = {
        name: f"echo {name} >> made.txt" for name in ("prepare", "postinstall", "preprepare", "preinstall", "install")
    }
    edit_package(site, scripts={"build": "x", **scripts})
    commit(site)
    provide(site)
    by_npm = (site.folder / "made.txt").read_text()
    (site.folder / "made.txt").unlink()
    shutil.rmtree(site.folder / "node_modules")
    assert not provide(site)
    assert (site.folder / "made.txt").read_text() == by_npm
    assert by_npm.split() == ["preinstall", "install", "postinstall", "preprepare", "prepare"]


def test_a_script_that_fails_on_archived_packages_gets_a_fresh_installation(site: Site) -> None:
    once = "test ! -e node_modules/once && touch node_modules/once"
    edit_package(site, scripts={"build": "x", "postinstall": once})
    commit(site)
    assert provide(site)
    shutil.rmtree(site.folder / "node_modules")
    assert provide(site) and any("install script failed" in line for line in site.logs)


def test_scripts_that_the_site_forbids_are_not_run(site: Site) -> None:
    edit_package(site, scripts={"build": "x", "postinstall": "touch made.txt"})
    commit(site, {".npmrc": "ignore-scripts = true\n"})
    provide(site)
    shutil.rmtree(site.folder / "node_modules")
    assert not provide(site) and not (site.folder / "made.txt").exists()


def read(site: Site) -> Any:
    commit(site)
    return inputs(site.ctx.checkout, json.loads((site.folder / "package.json").read_text()), "package-lock.json")


@pytest.mark.parametrize(
    ("scripts", "file", "counts"),
    [
        ({}, "patches/astro+7.3.5.patch", True),
        ({}, ".yarn/patches/x.patch", True),
        ({}, ".pnpmfile.cjs", True),
        ({}, "tools/setup.mjs", False),
        ({"build": "node tools/setup.mjs"}, "tools/setup.mjs", False),
        ({"prepare": "node tools/setup"}, "tools/setup.mjs", True),
        ({"prepare": "npm run gen", "gen": "node 'tools/setup.mjs'"}, "tools/text.mjs", True),
        ({"prepare": "node setup.js"}, "setup.js", True),
        ({"prepare": "node setup.js"}, "other.js", False),
        ({"prepare": "sh ./tools/all.sh"}, "tools/deep/er.sh", True),
        ({"prepare": "cp ../outside /etc/passwd . node_modules/tiny 'unclosed"}, "other.js", False),
    ],
)
def test_files_in_the_key(site: Site, scripts: dict[str, str], file: str, counts: bool) -> None:
    write(site.folder, {"setup.js": "", "tools/all.sh": ""})
    edit_package(site, scripts={"build": "x", **scripts})
    before = read(site)
    write(site.folder, {file: "changed"})
    assert (read(site) != before) == counts
