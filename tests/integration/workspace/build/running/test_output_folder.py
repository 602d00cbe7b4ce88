"""Which folder a build wrote. The guest may put anything under these names."""

from pathlib import Path

import pytest
from workspace.build.running.output_folder import OutputFolder, out_dirs

from tests.support.publishing.site_world import write


def output(site: Path, *sources: str, directory: str = "", setting: str | None = None) -> OutputFolder:
    site.mkdir(exist_ok=True)
    return OutputFolder(site, directory, setting, sources=lambda folders: {*sources} & {*folders})


def written(folder: OutputFolder) -> str | None:
    return folder.written(folder.candidates())


@pytest.mark.parametrize("name", ["dist", "_site", "build", "out", "public"])
def test_a_usual_folder_is_found(tmp_path: Path, name: str) -> None:
    write(tmp_path, {f"{name}/index.html": "x", f"apps/web/{name}/index.html": "x"})
    assert written(output(tmp_path)) == name
    assert written(output(tmp_path, directory="apps/web")) == f"apps/web/{name}"


def test_a_folder_with_committed_files_is_no_output_but_dist(tmp_path: Path) -> None:
    write(tmp_path, {"public/index.html": "a source", "build/index.html": "a source", "_site/index.html": "made"})
    assert output(tmp_path, "public", "build").candidates() == ["dist", "_site", "out"]
    assert "dist" in output(tmp_path, "dist").candidates()
    assert written(output(tmp_path, "public", "build")) == "_site"


def test_the_folder_with_a_root_page_comes_first(tmp_path: Path) -> None:
    write(tmp_path, {"dist/lib.js": "x", "build/index.html": "x"})
    assert written(output(tmp_path)) == "build"
    (tmp_path / "build/index.html").unlink()
    assert written(output(tmp_path)) == "dist"


def test_the_setting_and_the_configuration_count_more(tmp_path: Path) -> None:
    config = "export default defineConfig({\n  // outDir: 'old',\n  outDir: './website',\n})"
    write(tmp_path, {"astro.config.mjs": config, "website/index.html": "x", "dist/index.html": "x"})
    assert written(output(tmp_path, "website")) == "website", "although files of it are committed"
    assert output(tmp_path, setting="dist").candidates() == ["dist"]
    assert output(tmp_path, directory="apps/web", setting="www").candidates() == ["apps/web/www"]


def test_an_out_dir_outside_of_the_repository_is_none() -> None:
    assert out_dirs("outDir: '../dist'") == []
    assert out_dirs("build: { outDir: '../../dist' }", "apps/web") == ["dist"]
    assert out_dirs("outDir: '/etc'; outDir: '.git/x'; outDir: '.'; outDir: `${x}/y`; outDir: 'node_modules/x'") == []
    assert out_dirs('outDir: "a/b/"') == ["a/b"]


def test_links_are_no_output(tmp_path: Path) -> None:
    write(tmp_path, {"elsewhere/index.html": "x"})
    site = tmp_path / "site"
    site.mkdir()
    (site / "dist").symlink_to(tmp_path / "elsewhere")
    (site / "apps").symlink_to(tmp_path)
    assert written(output(site)) is None
    assert written(output(site, directory="apps", setting="elsewhere")) is None


def test_other_folders_with_a_root_page_are_named(tmp_path: Path) -> None:
    pages = ("www/index.html", "www/about/index.html", "src/index.html", "node_modules/a/index.html", "a/b/index.html")
    write(tmp_path, dict.fromkeys(pages, "x"))
    assert output(tmp_path, "src").pages_elsewhere() == ["a/b", "www"]
