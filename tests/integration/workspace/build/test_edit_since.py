"""What git says about an edit, for the judge of a publish."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from moto import mock_aws
from workspace.build.edit_since import edit_since, empty_submodules

from sitewright.contracts.steps import AgentResult
from tests.support.publishing.site_world import make_site, write
from tests.support.workspace.runner_parts import git


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
        yield


def test_an_edit_is_its_paths_and_its_changed_lines(tmp_path: Path) -> None:
    site = make_site(
        tmp_path, {"posts.json": '["one",\n"two",\n"three"]\n', "posts/first.md": "# First\n", "same.md": "x"}
    )
    live = git(site.folder, "rev-parse", "HEAD")
    write(site.folder, {"posts.json": '["one",\n"three"]\n'})
    (site.folder / "posts" / "first.md").unlink()
    git(site.folder, "commit", "-qam", "Second")
    write(site.folder, {"same.md": "y"})
    git(site.folder, "commit", "-qam", "Third")
    edit = edit_since(site.ctx, live)
    assert edit.paths == ("posts.json", "posts/first.md", "same.md")
    assert '-"two",' in edit.text and "-# First" in edit.text and '"one"' not in edit.text
    unknown = edit_since(site.ctx, "0" * 40)
    assert unknown.paths == ("same.md",), "the newest commit stands for one that the checkout lacks"
    agent = AgentResult(files_changed=["said.md"])
    told = replace(site.ctx, command=site.ctx.command.model_copy(update={"agent": agent}))
    (site.folder / ".git" / "HEAD").write_text("no ref")
    assert edit_since(told, live).paths == ("said.md",), "a broken repository does not fail the step"


def test_empty_submodules_are_named(tmp_path: Path) -> None:
    site = make_site(tmp_path, {"full/x.md": "x"})
    assert empty_submodules(site.ctx) == []
    modules = "".join(f'[submodule "{name}"]\n\tpath = {name}\n' for name in ("full", "with space", "missing"))
    write(site.folder, {".gitmodules": modules})
    (site.folder / "with space").mkdir()
    assert empty_submodules(site.ctx) == ["with space", "missing"]
