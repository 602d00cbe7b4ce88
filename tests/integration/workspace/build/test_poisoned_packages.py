"""An attacker in one session tries to reach the other sessions of the site by the shared archive of node_modules."""

import dataclasses
import io
import json
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from moto import mock_aws

from tests.integration.workspace.build.test_dependencies import (
    SITE,
    archives,
    edit_package,
    fresh_workspace,
    provide,
    registry_fixture,  # noqa: F401 - a fixture
)
from tests.support.publishing.site_world import Site, make_site, write
from tests.support.workspace.npm_registry import NpmRegistry

EVIL = "module.exports = 'evil'"

DAEMON = """
const { spawn } = require('child_process');
const root = process.argv[2];
const code = `const fs = require('fs'); setInterval(() => { if (fs.existsSync('${root}/over')) process.exit();
  for (const folder of ['install/tree', 'site']) try {
  fs.writeFileSync('${root}/' + folder + '/node_modules/tiny/index.js', \\"module.exports = 'evil'\\") } catch {} }, 1)`;
spawn('setsid', [process.execPath, '-e', code], { detached: true, stdio: 'ignore' }).unref();
"""


@pytest.fixture
def site(tmp_path: Path, registry: NpmRegistry) -> Iterator[Site]:
    with mock_aws():
        made = make_site(tmp_path, SITE)
        registry.lock(made.folder)
        yield made
        (made.ctx.paths.root / "over").touch()  # ends the daemon


def archived(site: Site) -> dict[str, str]:
    """Returns the files of the one archive, whose text is read."""
    (key,) = archives(site)
    packed = site.clients.s3.get_object(Bucket="artifacts", Key=key)["Body"].read()
    content = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file is not None:
                found[member.name] = file.read().decode()
    return found


def test_a_daemon_of_the_site_changes_no_archive(site: Site) -> None:
    """A script that the site runs at its installation leaves a process behind, which rewrites every node_modules."""
    write(site.folder, {"daemon.js": DAEMON})
    edit_package(site, scripts={"build": "x", "preinstall": f"node daemon.js {site.ctx.paths.root}; sleep 0.5"})
    provide(site)
    assert archived(site)["node_modules/tiny/index.js"] == "module.exports = 'tiny'"
    time.sleep(0.3)
    fresh_workspace(site)
    assert not provide(site)
    assert archived(site)["node_modules/tiny/index.js"] == "module.exports = 'tiny'"


@pytest.mark.usefixtures("small_npm")
def test_a_script_of_the_site_changes_no_archive(site: Site) -> None:
    edit_package(
        site, scripts={"build": "x", "postinstall": "echo \"module.exports = 'evil'\" > node_modules/tiny/index.js"}
    )
    provide(site)
    assert "evil" in (site.folder / "node_modules/tiny/index.js").read_text(), "the session's own packages"
    assert archived(site)["node_modules/tiny/index.js"] == "module.exports = 'tiny'"


def test_settings_and_cache_in_the_agents_home_change_no_archive(site: Site) -> None:
    """npm reads ~/.npmrc, and its cache is in ~/.npm by default."""
    shell = site.ctx.paths.home / "shell"
    write(site.ctx.paths.home, {".npmrc": f"script-shell={shell}\ncache={site.ctx.paths.home}/poisoned\n"})
    shell.write_text('#!/bin/sh\necho evil > evil.txt\nexec /bin/sh "$@"\n')
    shell.chmod(0o755)
    assert provide(site)
    files = archived(site)
    assert "node_modules/tiny/made.txt" in files, "the packages' scripts ran"
    assert not any("evil" in name or "evil" in text for name, text in files.items())
    assert not (site.ctx.paths.home / "poisoned").exists() and not (site.ctx.paths.home / ".npm").exists()


def test_a_poisoned_node_modules_is_replaced_and_changes_no_archive(site: Site, registry: NpmRegistry) -> None:
    provide(site)
    write(site.folder / "node_modules", {"tiny/index.js": EVIL, "evil/index.js": EVIL, ".package-lock.json": "{}"})
    write(site.folder, {"package.json": SITE["package.json"].replace('"tiny": "1.0.0"', '"tiny": "^1.0.0"')})
    registry.lock(site.folder)
    first = set(archives(site))
    assert provide(site)
    (second,) = set(archives(site)) - first
    for key in first:
        site.clients.s3.delete_object(Bucket="artifacts", Key=key)
    assert archives(site) == [second]
    assert not any("evil" in name or "evil" in text for name, text in archived(site).items())
    assert not (site.folder / "node_modules/evil").exists()


@pytest.mark.usefixtures("small_npm")
def test_a_folder_that_the_agent_made_does_not_pass_for_the_installed_one(site: Site) -> None:
    provide(site)
    (site.folder / "node_modules").rename(site.folder / "old")
    write(site.folder / "node_modules", {"tiny/index.js": EVIL})
    assert not provide(site), "unpacked from the archive"
    assert (site.folder / "node_modules/tiny/index.js").read_text() == "module.exports = 'tiny'"


@pytest.mark.usefixtures("small_npm")
def test_links_instead_of_node_modules_lead_nowhere(site: Site, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", {"kept.txt": "kept"})
    (site.folder / "node_modules").symlink_to(tmp_path / "elsewhere")
    assert provide(site)
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["kept.txt"]
    assert not (site.folder / "node_modules").is_symlink()


def test_no_script_of_the_site_goes_into_the_tree(site: Site) -> None:
    edit_package(site, scripts={"build": "x", "install": "touch ran.txt"}, name="evil")
    provide(site)
    assert (site.folder / "ran.txt").exists()
    package = json.loads((site.folder / "package.json").read_text())
    assert package["scripts"]["install"] and not any("evil" in text for text in archived(site).values())


def test_no_checkpoint_runs_the_sites_filters_beside_the_installation(site: Site) -> None:
    """The build's checkpoint runs `git add` in the background, and a filter in .git/config is a program of the agent's."""
    checkpoints, began = threading.Lock(), threading.Event()
    root = site.ctx.paths.root
    write(site.folder, {"daemon.js": DAEMON})

    def checkpoint() -> None:
        # Scans first: a checkout of many files decides when the filter starts.
        while not (root / "install/tree/package-lock.json").exists() and not began.wait(0.01):
            pass
        with checkpoints:
            subprocess.run(["node", str(site.folder / "daemon.js"), str(root)], check=True)

    thread = threading.Thread(target=checkpoint)
    thread.start()
    ctx = dataclasses.replace(site.ctx, checkpoints_paused=lambda: checkpoints)
    try:
        provide(dataclasses.replace(site, ctx=ctx))
        assert archived(site)["node_modules/tiny/index.js"] == "module.exports = 'tiny'"
    finally:
        began.set()
        thread.join()
        site.ctx.settings.guest.end_all(site.ctx.log)
