"""The site's own install scripts: when they run, and which files decide it. Their output is never shared."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from workspace.build.install_inputs import site_inputs
from workspace.build.package_managers import MANAGERS

from tests.integration.workspace.build.test_dependencies import (
    SITE,
    archives,
    edit_package,
    fresh_workspace,
    modules,
    provide,
    registry_fixture,  # noqa: F401 - a fixture
)
from tests.support.publishing.site_world import Site, make_site, write
from tests.support.workspace.npm_registry import NpmRegistry
from tests.support.workspace.runner_parts import git

POSTINSTALL = {
    "tools/setup.mjs": "import { text } from './text.mjs'\nimport { writeFileSync } from 'node:fs'\n"
    "writeFileSync('made.txt', text)\nwriteFileSync('node_modules/made.txt', text)\n",
    "tools/text.mjs": "export const text = 'one'\n",
    ".gitignore": "node_modules\ndist\nmade.txt\n",
}


@pytest.fixture
def site(tmp_path: Path, registry: NpmRegistry) -> Iterator[Site]:
    with mock_aws():
        made = make_site(tmp_path, SITE | POSTINSTALL)
        registry.lock(made.folder)
        yield made


def commit(site: Site, files: dict[str, str] | None = None) -> None:
    write(site.folder, files or {})
    git(site.folder, "add", "-A")
    git(site.folder, "commit", "-qm", "Edit", "--allow-empty")


def made(site: Site) -> list[str]:
    return [(site.folder / name).read_text() for name in ("made.txt", "node_modules/made.txt")]


@pytest.mark.usefixtures("small_npm")
def test_an_imported_file_of_an_install_script_runs_it_again_over_the_same_archive(site: Site) -> None:
    edit_package(site, scripts={"build": "x", "postinstall": "node tools/setup.mjs"})
    commit(site)
    assert provide(site) and made(site) == ["one", "one"]
    commit(site, {"src/pages/index.astro": "an edit"})
    (site.folder / "made.txt").write_text("kept")
    assert not provide(site) and made(site) == ["kept", "one"], "no script names it"
    commit(site, {"tools/text.mjs": "export const text = 'two'\n"})
    assert not provide(site) and made(site) == ["two", "two"] and len(archives(site)) == 1


@pytest.mark.usefixtures("small_npm")
def test_install_scripts_run_on_archived_packages_too(site: Site) -> None:
    edit_package(site, scripts={"build": "x", "postinstall": "node tools/setup.mjs"})
    commit(site)
    provide(site)
    fresh_workspace(site)
    (site.folder / "made.txt").unlink()
    assert not provide(site), "from the archive"
    assert made(site) == ["one", "one"]


@pytest.mark.usefixtures("small_npm")
def test_the_output_of_the_sites_scripts_reaches_no_archive(site: Site) -> None:
    edit_package(site, scripts={"build": "x", "postinstall": "test ! -e node_modules/once && touch node_modules/once"})
    commit(site)
    assert provide(site) and (site.folder / "node_modules/once").exists()
    fresh_workspace(site)
    assert not provide(site), "the script would fail over its own output"


def test_the_scripts_run_in_npms_order_and_once_each(site: Site) -> None:
    order = ("preinstall", "install", "postinstall", "preprepare", "prepare")
    edit_package(site, scripts={"build": "x", **{name: f"echo {name} >> made.txt" for name in reversed(order)}})
    commit(site)
    provide(site)
    assert tuple((site.folder / "made.txt").read_text().split()) == order


def test_a_script_that_fails_fails_the_installation_and_runs_again_next_time(site: Site) -> None:
    edit_package(site, scripts={"build": "x", "postinstall": "echo nothing works && false"})
    commit(site)
    for _ in range(2):
        done = modules(site).provide()
        assert done is not None and done.returncode == 1 and "nothing works" in done.tail
    edit_package(site, scripts={"build": "x"})
    assert not provide(site)


def test_scripts_that_the_site_forbids_are_not_run(site: Site) -> None:
    edit_package(site, scripts={"build": "x", "postinstall": "touch made.txt"})
    with (site.folder / ".npmrc").open("a") as settings:
        settings.write("ignore-scripts = true\n")
    provide(site)
    fresh_workspace(site)
    assert not provide(site) and not (site.folder / "made.txt").exists()
    assert not (site.folder / "node_modules/tiny/made.txt").exists()


def read(site: Site) -> Any:
    commit(site)
    return site_inputs(site.ctx.checkout, json.loads((site.folder / "package.json").read_text()), MANAGERS[1])


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
