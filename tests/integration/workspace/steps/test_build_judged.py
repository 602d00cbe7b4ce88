"""The step `build` refuses to publish what would make the live site worse."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from workspace.claim.session import SessionStore
from workspace.steps import build_step

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.steps import AgentResult, BuildResult
from tests.support.publishing.site_world import Site, make_site, write
from tests.support.workspace.npm_site import SITE
from tests.support.workspace.runner_parts import accept, git, make_tables

POSTS = {f"pages/posts/post-{n}.html": f"<h1>{n}</h1>" for n in range(6)}
PAGES = {"pages/index.html": '<a href="/about">About</a>', "pages/about.html": "<h1>About</h1>", **POSTS}
BUILD = """
const fs = require('fs');
fs.cpSync('pages', 'dist', {recursive: true});
if (fs.existsSync('../silent')) fs.rmSync('dist/posts', {recursive: true});
"""


@pytest.fixture
def site(tmp_path: Path, small_npm: None) -> Iterator[Site]:
    with mock_aws():
        made = make_site(tmp_path, SITE | {"build.js": BUILD} | PAGES)
        assert build_step.run(made.ctx).deploy_success
        yield made


def built(site: Site, files: dict[str, str], **command: Any) -> BuildResult:
    write(site.folder, files)
    changes = {"agent": AgentResult(files_changed=sorted(files), files_changed_count=len(files)), **command}
    return build_step.run(replace(site.ctx, command=site.ctx.command.model_copy(update=changes)))


def silence(site: Site) -> None:
    """Makes the pages vanish as a feed does: no source changes."""
    (site.folder.parent / "silent").touch()


def test_a_silent_feed_is_refused_given_back_kept_in_git_and_allowed_by_the_operator(site: Site) -> None:
    make_tables(site.clients.dynamodb)
    accept(site.clients, "cmd-0", 1)
    before = site.live()
    silence(site)
    typo = built(site, {"pages/index.html": "<h1>House</h1>"})
    assert typo.error is not None and typo.error.code is ErrorCode.PAGES_MISSING
    assert "/posts/post-3.html" in typo.error.message and "--allow pages_missing" in typo.error.remedy
    assert typo.build_success and not typo.deploy_success and typo.is_refused and typo.broken_by_edit
    assert typo.committed and git(site.folder, "show", "HEAD:pages/index.html") == "<h1>House</h1>"
    assert site.live() == before and "About" in site.read("index.html")
    assert build_step.publish_partial(site.ctx) == 0, "no part of it goes live later"
    request = site.ctx.request.model_copy(update={"command_id": "cmd-0"})
    SessionStore(site.clients, "sessions", "commands", request, "me").record("build", typo)
    again = built(site, {"notes.txt": "x"}, supersedes="cmd-0")
    assert again.is_refused and not again.broken_by_edit, "the same refusal is not repaired twice"
    allowed = built(site, {}, allow=[ErrorCode.PAGES_MISSING])
    assert allowed.error is None and allowed.deploy_success
    assert allowed.pages_removed_count == 6 and allowed.pages_removed[:2] == [
        "/posts/post-0.html",
        "/posts/post-1.html",
    ]


def test_pages_that_a_client_deletes_go_and_are_told(site: Site) -> None:
    for name in POSTS:
        (site.folder / name).unlink()
    result = built(site, {"pages/index.html": "<h1>No news</h1>"})
    assert result.error is None and result.pages_removed_count == 6
    assert "posts/post-1.html" not in site.live()


def test_a_flat_page_is_live_under_its_address_and_dead_links_are_told(site: Site) -> None:
    assert site.read("about") == site.read("about.html") == "<h1>About</h1>"
    result = built(site, {"pages/about.html": '<a href="/team">Team</a><a href="/posts/post-1">One</a>'})
    assert result.error is None and result.broken_links == 1 and site.read("about") == site.read("about.html")
    assert result.notes == ["Nothing answers at 1 path that changed pages name: /team (in about.html)."]


def test_empty_submodules_are_told_in_one_sentence(site: Site) -> None:
    modules = [f'[submodule "{n}"]\n\tpath = "part-{n}-{"x" * 5_000}"\n' for n in range(40)]
    result = built(site, {".gitmodules": '[submodule "p"]\n\tpath = "parts\\n\x1b[2J"\n' + "".join(modules)})
    [note] = result.notes
    assert result.error is None and "parts" in note and "41 submodules are empty" in note and "31 more" in note
    assert len(note) < 2_000 and note.isprintable()
