"""Where a build writes, and what it may leave behind: other output folders, subfolders, sources that it changes."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from moto import mock_aws
from workspace.errors import StepStopped, StopReason
from workspace.steps import build_step
from workspace.system.stop import Stop

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.steps import AgentResult
from tests.support.publishing.site_world import Site, make_site, write
from tests.support.workspace.npm_lock import write_lock
from tests.support.workspace.npm_site import BUILD, SITE
from tests.support.workspace.runner_parts import git

PAGE = "<html>a page</html>"


def site_of(script: str, **files: str) -> dict[str, str]:
    """Returns a site whose build is a line of shell: node's start would take longer than the test."""
    package = {"name": "site", "version": "1.0.0", "scripts": {"build": script}}
    return {"package.json": json.dumps(package), "page.html": PAGE, **files}


def builds_into(folder: str, more: str = "true") -> dict[str, str]:
    return site_of(f"mkdir -p {folder} && cp page.html {folder}/index.html && {more}")


@pytest.mark.parametrize("folder", ["build", "_site", "public", "out"])
def test_another_output_is_published_and_in_no_commit(tmp_path: Path, small_npm: None, folder: str) -> None:
    with mock_aws():
        made = make_site(tmp_path, builds_into(folder) | {".gitignore": "node_modules\n"})
        result = build_step.run(made.ctx)
        assert result.error is None and made.live() == {"index.html"}
        assert not made.ctx.checkout.is_dirty() and made.ctx.checkout.changed_files("HEAD") == []
        write(made.folder, {"note.txt": "x"})
        assert build_step.run(made.ctx).committed
        assert git(made.folder, "show", "--name-only", "--format=", "HEAD") == "note.txt"


def test_an_unknown_output_is_named_and_the_setting_publishes_it(tmp_path: Path, small_npm: None) -> None:
    with mock_aws():
        made = make_site(tmp_path, builds_into("www"))
        result = build_step.run(made.ctx)
        assert result.error is not None and result.error.code is ErrorCode.OUTPUT_MISSING
        assert "www/" in result.error.message and not result.broken_by_edit and made.live() == set()
        assert not (made.folder / "www").exists(), "what a build writes is no edit"
        settings = made.ctx.settings.model_copy(update={"output": "www"})
        write(made.folder, {"note.txt": "x"})
        assert build_step.run(replace(made.ctx, settings=settings)).deploy_success
        assert made.live() == {"index.html"}


def test_the_output_that_an_edit_moved_is_the_agents_to_mend(tmp_path: Path, small_npm: None) -> None:
    with mock_aws():
        made = make_site(tmp_path, builds_into("www"))
        edited = AgentResult(files_changed=["package.json"], files_changed_count=1)
        command = made.ctx.command.model_copy(update={"agent": edited})
        assert build_step.run(replace(made.ctx, command=command)).broken_by_edit


def test_a_site_in_a_subfolder(tmp_path: Path, small_npm: None) -> None:
    with mock_aws():
        files = {f"apps/web/{name}": text for name, text in builds_into("dist").items()}
        made = make_site(tmp_path, files, directory="apps/web")
        result = build_step.run(made.ctx)
        assert result.error is None and made.live() == {"index.html"} and made.read("index.html") == PAGE
        wrong = made.ctx.settings.model_copy(update={"directory": "apps/shop"})
        write(made.folder, {"note.txt": "x"})
        error = build_step.run(replace(made.ctx, settings=wrong)).error
        assert error is not None and "apps/shop" in error.message


def test_packages_are_installed_where_the_lock_file_is(tmp_path: Path) -> None:
    """With real npm: a site and its workspace package below one lock file."""
    root = {"name": "all", "private": True, "workspaces": ["apps/*", "packages/*"]}
    web = json.loads(SITE["package.json"]) | {"devDependencies": {"tiny": "1.0.0"}, "name": "web"}
    files = {
        "package.json": json.dumps(root),
        "apps/web/package.json": json.dumps(web),
        "apps/web/build.js": BUILD,
        "packages/tiny/package.json": SITE["tiny/package.json"],
        "packages/tiny/i.js": SITE["tiny/i.js"],
        "package-lock.json": json.dumps(
            {
                "name": "all",
                "lockfileVersion": 3,
                "requires": True,
                "packages": {
                    "": root,
                    "apps/web": {"version": "1.0.0", "devDependencies": {"tiny": "1.0.0"}},
                    "packages/tiny": {"version": "1.0.0"},
                    "node_modules/web": {"resolved": "apps/web", "link": True},
                    "node_modules/tiny": {"resolved": "packages/tiny", "link": True},
                },
            }
        ),
    }
    with mock_aws():
        made = make_site(tmp_path, files, directory="apps/web")
        result = build_step.run(made.ctx)
        assert result.error is None and made.read("index.html") == "<html>tiny production</html>"


@pytest.fixture
def plain(tmp_path: Path, small_npm: None) -> Iterator[Site]:
    with mock_aws():
        yield make_site(tmp_path, builds_into("dist"))


def test_what_a_build_writes_into_the_sources_is_in_no_later_commit(plain: Site) -> None:
    script = "echo changed > page.html && echo {} > made.json"
    write(plain.folder, builds_into("dist", script))
    assert build_step.run(plain.ctx).deploy_success
    assert not plain.ctx.checkout.is_dirty() and not (plain.folder / "made.json").exists()
    write(plain.folder, builds_into("dist", f"{script} && exit 1"))
    assert not build_step.run(plain.ctx).build_success and not plain.ctx.checkout.is_dirty()


def test_what_an_installation_makes_stays_for_later_builds_and_is_in_no_commit(plain: Site) -> None:
    prepared = json.loads(builds_into("dist", "cat generated.txt")["package.json"])
    prepared["scripts"]["postinstall"] = "echo made > generated.txt"
    write(plain.folder, {"package.json": json.dumps(prepared)})
    write_lock(plain.folder)
    for note in "12":
        write(plain.folder, {"note.txt": note})
        result = build_step.run(plain.ctx)
        assert result.deploy_success and (plain.folder / "generated.txt").exists(), result.error
    assert git(plain.folder, "show", "--name-only", "--format=", "HEAD") == "note.txt"


def test_an_interrupted_build_leaves_its_output_and_no_change_of_the_sources(plain: Site) -> None:
    """The output is committed: it stays for the partial publish."""
    git(plain.folder, "rm", "-q", "--cached", ".gitignore")
    write(plain.folder, {".gitignore": "node_modules\n", "dist/index.html": "<html>committed</html>"})
    write(plain.folder, builds_into("dist", "echo changed > source.txt && sleep 60") | {"source.txt": "committed"})

    def interrupt() -> None:
        while "changed" not in (plain.folder / "source.txt").read_text():
            time.sleep(0.02)
        plain.stop.add(StopReason.INTERRUPT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(StepStopped):
        build_step.run(plain.ctx)
    plain.fence.stop = Stop()
    assert git(plain.folder, "status", "--porcelain", "--", "source.txt") == ""
    assert build_step.publish_partial(plain.ctx) == 1 and plain.read("index.html") == PAGE


def test_only_converted_pictures_outlive_a_build(plain: Site) -> None:
    """As Astro's store of content does: a build that finds it shows what it holds."""
    script = (
        "mkdir -p node_modules/.astro/assets dist && [ -f node_modules/.astro/data-store.json ] || cp page.html "
        "node_modules/.astro/data-store.json; cp node_modules/.astro/data-store.json dist/index.html && "
        "touch node_modules/.astro/assets/a.webp && ls node_modules/.astro/assets > dist/pictures.txt"
    )
    write(plain.folder, site_of(script))
    write_lock(plain.folder)
    assert build_step.run(plain.ctx).deploy_success and plain.read("index.html") == PAGE
    write(plain.folder, {"page.html": "<html>new</html>"})
    write(plain.folder / "node_modules/.astro/assets", {"b.webp": "converted before"})
    assert build_step.run(plain.ctx).deploy_success and plain.read("index.html") == "<html>new</html>"
    assert plain.read("pictures.txt").split() == ["a.webp", "b.webp"]
