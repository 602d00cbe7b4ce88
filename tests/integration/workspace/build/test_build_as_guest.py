"""A build whose guest is another user than the runner. Only root can change users, so elsewhere these tests are skipped."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from moto import mock_aws
from workspace.build.build_cache import BuildCache
from workspace.guest.guest_user import Guest
from workspace.system.children import ProcessChildren

from tests.integration.workspace.build.test_dependencies import (
    SITE,
    archives,
    provide,
    registry_fixture,  # noqa: F401 - a fixture
)
from tests.support.publishing.site_world import Site, make_site, write
from tests.support.workspace.npm_registry import NpmRegistry

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change users")

UID = 300_000 + os.getpid() % 100_000
"""Of this worker of pytest alone: the end of a step kills every process of its guest."""


@pytest.fixture
def site(registry: NpmRegistry) -> Iterator[Site]:
    # pytest's own folder is closed to other users.
    root = Path(tempfile.mkdtemp(prefix="sitewright-guest-"))
    root.chmod(0o755)
    with mock_aws():
        made = make_site(root, SITE)
        registry.lock(made.folder)
        guest = Guest.of(UID)
        for path in (made.folder, made.ctx.paths.home):
            for each in (path, *path.rglob("*")):
                guest.owns(each)
        made.ctx.paths.private.chmod(0o700)
        children = ProcessChildren(made.stop, made.ctx.log, guest=guest)
        settings = made.ctx.settings.model_copy(update={"guest": guest})
        yield replace(made, ctx=replace(made.ctx, settings=settings, children=children))
    shutil.rmtree(root, ignore_errors=True)


def test_packages_and_cache_are_the_guests_and_survive_a_fresh_workspace(site: Site) -> None:
    assert provide(site) and len(archives(site)) == 1
    modules = site.folder / "node_modules"
    assert {path.lstat().st_uid for path in (modules, *modules.rglob("*"))} == {UID}
    write(modules / ".astro", {"assets/a.webp": "a"})
    for path in (modules / ".astro", *(modules / ".astro").rglob("*")):
        site.ctx.settings.guest.owns(path)
    saving = BuildCache(site.ctx.settings, site.clients, "s1", site.ctx.log)
    assert saving.save(site.fence)
    (site.ctx.paths.private / "installed-modules.json").unlink()
    assert not provide(site)
    assert (modules / ".astro/assets/a.webp").stat().st_uid == UID
    assert {path.lstat().st_uid for path in (modules, *modules.rglob("*"))} == {UID}


def test_folders_without_permissions_are_replaced_all_the_same(site: Site) -> None:
    provide(site)
    (site.folder / "node_modules/tiny").chmod(0)
    (site.folder / "node_modules").chmod(0o1000)
    (site.ctx.paths.private / "installed-modules.json").unlink()
    assert not provide(site)
    assert (site.folder / "node_modules/tiny/index.js").read_text() == "module.exports = 'tiny'"
