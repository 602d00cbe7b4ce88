"""node_modules from the archive, or installed: with real npm, or with its small double where npm is a means."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from workspace.build.dependencies import Modules
from workspace.build.install_inputs import tree_files
from workspace.build.package_managers import MANAGERS, NoManager
from workspace.build.running.site_build import SiteBuild
from workspace.build.running.site_package import read_package
from workspace.errors import StepStopped, StopReason

from sitewright.contracts.expiry import CACHE, TAG
from tests.support.publishing.site_world import Site, make_site, write
from tests.support.workspace.npm_lock import write_lock
from tests.support.workspace.npm_registry import NpmRegistry, npm_registry

SITE = {
    "package.json": json.dumps(
        {"name": "site", "version": "1.0.0", "scripts": {"build": "x"}, "devDependencies": {"tiny": "1.0.0"}}
    ),
}

LOCAL = {
    "package.json": SITE["package.json"].replace('"tiny": "1.0.0"', '"tiny": "file:./tiny"'),
    "tiny/package.json": '{"name":"tiny","version":"1.0.0","main":"i.js","bin":{"tiny":"i.js"}}',
    "tiny/i.js": "module.exports = 1",
}

DEMO_SITE = Path(__file__).parents[4] / "sitewright" / "local" / "demo_site"

NOTES: list[str] = []

MARKS_ITSELF = {"scripts": {"postinstall": "node index.js && echo made by a script > made.txt"}}


@pytest.fixture(name="registry")
def registry_fixture() -> Iterator[NpmRegistry]:
    with npm_registry() as made:
        made.add("tiny", {}, bin={"tiny": "index.js"}, **MARKS_ITSELF)
        made.add("small", {})
        yield made


@pytest.fixture(name="site")
def site_fixture(tmp_path: Path, registry: NpmRegistry) -> Iterator[Site]:
    NOTES.clear()
    with mock_aws():
        made = make_site(tmp_path, SITE)
        registry.lock(made.folder)
        yield made


def provide(site: Site) -> bool:
    """Provides node_modules. Returns whether packages were installed."""
    done = modules(site).provide()
    assert done is None or done.returncode == 0, done.tail
    return done is not None


def modules(site: Site) -> Modules:
    build = SiteBuild(site.ctx, NOTES.append)
    return Modules(site.ctx, build.run, lambda: 60.0, read_package(site.folder), NOTES.append)


def archives(site: Site) -> list[str]:
    found = site.clients.s3.list_objects_v2(Bucket="artifacts", Prefix="amelia/cache/")
    return [item["Key"] for item in found.get("Contents", [])]


def edit_package(site: Site, **values: Any) -> None:
    package = json.loads((site.folder / "package.json").read_text()) | values
    (site.folder / "package.json").write_text(json.dumps(package))


def fresh_workspace(site: Site) -> None:
    """Makes the folders those of a workspace that has installed nothing."""
    shutil.rmtree(site.folder / "node_modules", ignore_errors=True)
    shutil.rmtree(site.ctx.paths.private)
    site.ctx.paths.scratch.mkdir(parents=True)


def test_a_fresh_workspace_unpacks_what_another_installed(site: Site) -> None:
    assert provide(site) and not provide(site)
    marked = site.folder / "node_modules" / "installed-once.txt"
    [archive] = archives(site)
    tags = site.clients.s3.get_object_tagging(Bucket="artifacts", Key=archive)["TagSet"]
    assert tags == [{"Key": TAG, "Value": CACHE}], "the lifecycle rule goes by it"
    write(site.folder / "node_modules", {"installed-once.txt": "not in the archive"})
    fresh_workspace(site)
    assert not provide(site) and not marked.exists() and NOTES == []
    assert (site.folder / "node_modules/tiny/made.txt").read_text() == "made by a script\n"
    assert (site.folder / "node_modules" / ".bin" / "tiny").exists()
    assert not site.ctx.paths.install.exists() and not list(site.ctx.paths.scratch.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        lambda s: edit_package(s, dependencies={"tiny": "1.0.0"}, devDependencies={}),
        lambda s: edit_package(s, devDependencies={"tiny": "1.0.0", "small": "1.0.0"}),
        lambda s: edit_package(s, overrides={"small": "1.0.0"}),
    ],
)
@pytest.mark.usefixtures("small_npm")
def test_inputs_of_an_installation_change_the_key(site: Site, registry: NpmRegistry, change: Any) -> None:
    provide(site)
    change(site)
    registry.lock(site.folder)
    assert provide(site) and len(archives(site)) == 2


@pytest.mark.usefixtures("small_npm")
def test_settings_change_the_key(site: Site) -> None:
    provide(site)
    with (site.folder / ".npmrc").open("a") as settings:
        settings.write("legacy-peer-deps=true\n")
    assert provide(site) and len(archives(site)) == 2


@pytest.mark.usefixtures("small_npm")
def test_a_new_script_is_no_reason_to_install(site: Site) -> None:
    provide(site)
    edit_package(site, scripts={"build": "y", "lint": "z"})
    assert not provide(site)


@pytest.mark.parametrize("damage", ["rubbish", "cut", "empty"])
@pytest.mark.usefixtures("small_npm")
def test_a_damaged_archive_is_replaced(site: Site, damage: str) -> None:
    provide(site)
    (key,) = archives(site)
    body = site.clients.s3.get_object(Bucket="artifacts", Key=key)["Body"].read()
    if damage == "empty":
        body = repack({"other/index.js": "x"})
    site.clients.s3.put_object(
        Bucket="artifacts",
        Key=key,
        Body=b"rubbish" if damage == "rubbish" else body[: len(body) // 2] if damage == "cut" else body,
    )
    fresh_workspace(site)
    assert provide(site)
    assert any("cannot be used" in line for line in site.logs)
    fresh_workspace(site)
    assert not provide(site)


def repack(files: Mapping[str, str]) -> bytes:
    import io
    import tarfile

    import zstandard

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return zstandard.ZstdCompressor().compress(packed.getvalue())


@pytest.mark.usefixtures("small_npm")
def test_an_archive_that_cannot_be_written_is_no_reason_to_fail(site: Site) -> None:
    site.clients.s3.delete_bucket(Bucket="artifacts")
    assert provide(site)
    assert any("could not be archived" in line for line in site.logs)


@pytest.mark.usefixtures("small_npm")
def test_a_stop_ends_the_unpacking_and_leaves_nothing_behind(site: Site) -> None:
    provide(site)
    fresh_workspace(site)
    site.fence.at = lambda: site.stop.add(StopReason.INTERRUPT)
    with pytest.raises(StepStopped):
        modules(site).provide()
    assert not (site.folder / "node_modules").exists() and not site.ctx.paths.install.exists()
    left = subprocess.run(["pgrep", "-f", f"tar .*{site.ctx.paths.root}"], capture_output=True, check=False)
    assert left.returncode == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: edit_package(s, workspaces=["tiny"]), "workspaces"),
        (lambda s: (s.folder / ".npmrc").open("a").write("script-shell=/workspace/home/shell\n"), "script-shell"),
        (lambda s: (s.folder / ".npmrc").open("a").write("cache = ${HOME}/x\n"), "cache"),
        (
            lambda s: (s.folder / ".npmrc").open("a").write("node-options=--require /workspace/home/x.js\n"),
            "node-options",
        ),
    ],
)
def test_an_installation_that_needs_more_than_its_files_is_not_shared(site: Site, change: Any, reason: str) -> None:
    change(site)
    package = json.loads((site.folder / "package.json").read_text())
    said: list[str] = []
    assert tree_files(site.folder, package, MANAGERS[1], lambda _, reason: said.append(reason)) is None
    assert len(said) == 1 and reason in said[0]


def test_the_demo_sites_packages_are_shared(site: Site) -> None:
    package = json.loads((DEMO_SITE / "package.json").read_text())
    assert tree_files(DEMO_SITE, package, MANAGERS[1], site.ctx.log) is not None


def test_packages_in_folders_of_the_site_are_installed_in_the_checkout_once(tmp_path: Path) -> None:
    with mock_aws():
        site = make_site(tmp_path, LOCAL)
        write_lock(site.folder)
        assert provide(site) and not provide(site) and archives(site) == []
        assert (site.folder / "node_modules" / "tiny").is_symlink()


@pytest.mark.parametrize("manager", [m for m in MANAGERS if m.program != "npm"], ids=lambda m: m.program)
def test_the_lock_file_of_a_manager_that_is_missing_is_named(site: Site, manager: Any, tmp_path: Path) -> None:
    (site.folder / "package-lock.json").unlink()
    write(site.folder, {manager.lockfile: ""})
    if shutil.which(manager.program, path=site.ctx.settings.inherited["PATH"]):
        pytest.skip(f"{manager.program} is installed here")
    with pytest.raises(NoManager, match=manager.lockfile):
        provide(site)


def test_an_outdated_lock_file_is_installed_and_neither_changed_nor_shared(site: Site) -> None:
    edit_package(site, devDependencies={"tiny": "1.0.0", "small": "1.0.0"})
    before = {name: (site.folder / name).read_text() for name in ("package.json", "package-lock.json")}
    assert provide(site) and archives(site) == []
    assert (site.folder / "node_modules" / "small").exists() and (site.folder / "node_modules" / "tiny").exists()
    assert any("not in sync" in line for line in site.logs)
    assert NOTES == ["package-lock.json does not fit package.json: run `npm install` and commit it."]
    assert before == {name: (site.folder / name).read_text() for name in before}
