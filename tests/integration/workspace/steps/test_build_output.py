"""Where a build writes, and what it may leave behind: other output folders, subfolders, sources that it changes."""

import json
import threading
import time
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


def builds_into(folder: str) -> dict[str, str]:
    return SITE | {"build.js": BUILD.replace("'dist'", f"'{folder}'").replace("dist/", f"{folder}/")}


@pytest.mark.parametrize("folder", ["build", "_site", "public", "out"])
def test_another_output_is_published_and_in_no_commit(tmp_path: Path, small_npm: None, folder: str) -> None:
    with mock_aws():
        made = make_site(tmp_path, builds_into(folder) | {".gitignore": "node_modules\n"})
        result = build_step.run(made.ctx)
        assert result.error is None and made.live() == {"index.html", "env.json"}
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
        assert made.live() == {"index.html", "env.json"}


def test_the_output_that_an_edit_moved_is_the_agents_to_mend(tmp_path: Path, small_npm: None) -> None:
    with mock_aws():
        made = make_site(tmp_path, builds_into("www"))
        edited = AgentResult(files_changed=["build.js"], files_changed_count=1)
        command = made.ctx.command.model_copy(update={"agent": edited})
        assert build_step.run(replace(made.ctx, command=command)).broken_by_edit


def in_folder(folder: str) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in SITE.items()} | {"README.md": "x"}


def test_a_site_in_a_subfolder(tmp_path: Path, small_npm: None) -> None:
    with mock_aws():
        made = make_site(tmp_path, in_folder("apps/web"), directory="apps/web")
        result = build_step.run(made.ctx)
        assert result.error is None and made.live() == {"index.html", "env.json"}
        assert made.read("index.html") == "<html>tiny production</html>"
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


def test_what_a_build_writes_into_the_sources_is_in_no_later_commit(made: Site) -> None:
    script = BUILD + "fs.writeFileSync('tiny/i.js', 'module.exports = 1'); fs.writeFileSync('made.json', '{}');"
    write(made.folder, {"build.js": script})
    assert build_step.run(made.ctx).deploy_success
    assert not made.ctx.checkout.is_dirty() and not (made.folder / "made.json").exists()
    write(made.folder, {"build.js": script + "process.exit(1)"})
    assert not build_step.run(made.ctx).build_success and not made.ctx.checkout.is_dirty()


def test_what_an_installation_makes_stays_for_later_builds_and_is_in_no_commit(made: Site) -> None:
    prepared = json.loads(SITE["package.json"])
    prepared["scripts"] |= {"postinstall": "echo made > generated.txt", "build": "cat generated.txt && node build.js"}
    write(made.folder, {"package.json": json.dumps(prepared)})
    write_lock(made.folder)
    for note in "12":
        write(made.folder, {"note.txt": note})
        assert build_step.run(made.ctx).deploy_success and (made.folder / "generated.txt").exists()
    assert git(made.folder, "show", "--name-only", "--format=", "HEAD") == "note.txt"


def test_an_interrupted_build_leaves_its_output_and_no_change_of_the_sources(made: Site) -> None:
    """The output is committed: it stays for the partial publish."""
    git(made.folder, "rm", "-q", "--cached", ".gitignore")
    write(made.folder, {".gitignore": "node_modules\n", "dist/index.html": "<html>committed</html>"})
    script = BUILD + "fs.writeFileSync('tiny/i.js', 'module.exports = 1'); setTimeout(() => {}, 60000)"
    write(made.folder, {"build.js": script})

    def interrupt() -> None:
        while "module.exports = 1" not in (made.folder / "tiny/i.js").read_text():
            time.sleep(0.02)
        made.stop.add(StopReason.INTERRUPT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(StepStopped):
        build_step.run(made.ctx)
    made.fence.stop = Stop()
    assert git(made.folder, "status", "--porcelain", "--", "tiny") == ""
    assert build_step.publish_partial(made.ctx) == 2 and "tiny production" in made.read("index.html")


def test_only_converted_pictures_outlive_a_build(made: Site) -> None:
    """As Astro's store of content does: a build that finds it shows what it holds."""
    script = BUILD.replace("Hello", "") + (
        "fs.mkdirSync('node_modules/.astro/assets', {recursive: true});"
        "const store = 'node_modules/.astro/data-store.json';"
        "if (!fs.existsSync(store)) fs.writeFileSync(store, fs.readFileSync('page.md'));"
        "fs.writeFileSync('dist/page.html', fs.readFileSync(store));"
        "fs.writeFileSync('node_modules/.astro/assets/a.webp', 'x');"
        "fs.writeFileSync('dist/pictures.txt', fs.readdirSync('node_modules/.astro/assets').join());"
    )
    write(made.folder, {"build.js": script, "page.md": "old"})
    assert build_step.run(made.ctx).deploy_success and made.read("page.html") == "old"
    write(made.folder, {"page.md": "new"})
    write(made.folder / "node_modules/.astro/assets", {"b.webp": "converted before"})
    assert build_step.run(made.ctx).deploy_success and made.read("page.html") == "new"
    assert made.read("pictures.txt") == "a.webp,b.webp"
