"""node_modules from the archive, or installed with real npm, which needs no registry for local packages."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from workspace.build.dependencies import MANAGERS, Modules, NoManager
from workspace.errors import StepStopped, StopReason
from workspace.steps.build_step import _Build, read_package

from sitewright.contracts.expiry import CACHE, TAG
from tests.support.publishing.site_world import Site, make_site, npm_lock, write

SITE = {
    "package.json": json.dumps(
        {"name": "site", "version": "1.0.0", "scripts": {"build": "x"}, "devDependencies": {"tiny": "file:./tiny"}}
    ),
    "tiny/package.json": '{"name":"tiny","version":"1.0.0","main":"i.js","bin":{"tiny":"i.js"}}',
    "tiny/i.js": "module.exports = 1",
}


NOTES: list[str] = []


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    NOTES.clear()
    with mock_aws():
        made = make_site(tmp_path, SITE)
        npm_lock(made.folder)
        yield made


def provide(site: Site) -> bool:
    """Provides node_modules. Returns whether the package manager ran."""
    step = _Build(site.ctx)
    step.deadline = float("inf")
    done = Modules(site.ctx, step._run, read_package(site.folder), NOTES.append).provide()
    assert done is None or done.returncode == 0
    return done is not None


def archives(site: Site) -> list[str]:
    found = site.clients.s3.list_objects_v2(Bucket="artifacts", Prefix="amelia/cache/")
    return [item["Key"] for item in found.get("Contents", [])]


def edit_package(site: Site, **values: Any) -> None:
    package = json.loads((site.folder / "package.json").read_text()) | values
    (site.folder / "package.json").write_text(json.dumps(package))


def test_a_fresh_workspace_unpacks_what_another_installed(site: Site) -> None:
    assert provide(site) and not provide(site)
    marked = site.folder / "node_modules" / "installed-once.txt"
    [archive] = archives(site)
    tags = site.clients.s3.get_object_tagging(Bucket="artifacts", Key=archive)["TagSet"]
    assert tags == [{"Key": TAG, "Value": CACHE}], "the lifecycle rule goes by it"
    write(site.folder / "node_modules", {"installed-once.txt": "not in the archive"})
    shutil.rmtree(site.folder / "node_modules")
    assert not provide(site) and not marked.exists() and NOTES == []
    assert (site.folder / "node_modules" / "tiny").is_symlink()
    assert (site.folder / "node_modules" / ".bin" / "tiny").exists()
    assert not list(site.ctx.paths.scratch.glob("modules*")) and not list(site.ctx.paths.scratch.glob("*.zst"))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: edit_package(s, dependencies={"tiny": "file:./tiny"}, devDependencies={}),
        lambda s: edit_package(s, scripts={"build": "x", "postinstall": "node -v"}),
        lambda s: write(s.folder, {".npmrc": "legacy-peer-deps=true\n"}),
        lambda s: edit_package(s, version="2.0.0"),
    ],
)
def test_inputs_of_an_installation_change_the_key(site: Site, change: Any) -> None:
    provide(site)
    change(site)
    npm_lock(site.folder)
    assert provide(site) and len(archives(site)) == 2


def test_a_new_script_is_no_reason_to_install(site: Site) -> None:
    provide(site)
    edit_package(site, scripts={"build": "y", "lint": "z"})
    assert not provide(site)


@pytest.mark.parametrize("damage", ["rubbish", "cut", "other"])
def test_a_damaged_archive_is_replaced(site: Site, damage: str) -> None:
    provide(site)
    (key,) = archives(site)
    body = site.clients.s3.get_object(Bucket="artifacts", Key=key)["Body"].read()
    if damage == "other":
        body = repack(site, {"node_modules/.sitewright-modules": "of another lock file"})
    site.clients.s3.put_object(
        Bucket="artifacts",
        Key=key,
        Body=b"rubbish" if damage == "rubbish" else body[: len(body) // 2] if damage == "cut" else body,
    )
    shutil.rmtree(site.folder / "node_modules")
    assert provide(site)
    assert any("cannot be used" in line for line in site.logs)
    shutil.rmtree(site.folder / "node_modules")
    assert not provide(site)


def repack(site: Site, files: Mapping[str, str]) -> bytes:
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


def test_an_archive_that_cannot_be_written_is_no_reason_to_fail(site: Site) -> None:
    site.clients.s3.delete_bucket(Bucket="artifacts")
    assert provide(site)
    assert any("could not be archived" in line for line in site.logs)


def test_a_stop_ends_the_unpacking_and_leaves_nothing_behind(site: Site) -> None:
    provide(site)
    shutil.rmtree(site.folder / "node_modules")
    site.fence.at = lambda: site.stop.add(StopReason.INTERRUPT)
    step = _Build(site.ctx)
    step.deadline = float("inf")
    with pytest.raises(StepStopped):
        Modules(site.ctx, step._run, read_package(site.folder), NOTES.append).provide()
    assert not (site.folder / "node_modules").exists() and not list(site.ctx.paths.scratch.glob("modules*"))
    left = subprocess.run(["pgrep", "-f", f"tar .*{site.ctx.paths.scratch}"], capture_output=True, check=False)
    assert left.returncode == 1


def test_workspaces_are_not_cached(site: Site) -> None:
    edit_package(site, workspaces=["tiny"])
    npm_lock(site.folder)
    assert provide(site) and provide(site) and archives(site) == []


@pytest.mark.parametrize("manager", [m for m in MANAGERS if m.program != "npm"], ids=lambda m: m.program)
def test_the_lock_file_of_a_manager_that_is_missing_is_named(site: Site, manager: Any, tmp_path: Path) -> None:
    (site.folder / "package-lock.json").unlink()
    write(site.folder, {manager.lockfile: ""})
    if shutil.which(manager.program, path=site.ctx.settings.inherited["PATH"]):
        pytest.skip(f"{manager.program} is installed here")
    with pytest.raises(NoManager, match=manager.lockfile):
        provide(site)


def test_development_packages_are_installed_though_the_build_is_for_production(site: Site) -> None:
    provide(site)
    assert (site.folder / "node_modules" / "tiny" / "i.js").is_file()


def test_an_outdated_lock_file_is_installed_and_not_changed(site: Site) -> None:
    write(site.folder, {"small/package.json": '{"name":"small","version":"1.0.0"}'})
    edit_package(site, devDependencies={"tiny": "file:./tiny", "small": "file:./small"})
    before = {name: (site.folder / name).read_text() for name in ("package.json", "package-lock.json")}
    assert provide(site)
    assert (site.folder / "node_modules" / "small").exists() and (site.folder / "node_modules" / "tiny").exists()
    assert any("not in sync" in line for line in site.logs)
    assert NOTES == ["package-lock.json does not fit package.json: run `npm install` and commit it."]
    assert before == {name: (site.folder / name).read_text() for name in before}
