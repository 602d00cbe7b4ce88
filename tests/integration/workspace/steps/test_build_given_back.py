"""Which failed builds the agent has to repair."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from workspace.claim.session import SessionStore
from workspace.steps import build_step

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.steps import AgentResult
from tests.support.publishing.site_world import Site, make_site, write
from tests.support.workspace.npm_site import (
    SITE,
)
from tests.support.workspace.runner_parts import accept, make_tables


def broken(site: Site, files: dict[str, Any], **command: Any) -> bool:
    write(site.folder, files)
    changes = {"agent": AgentResult(files_changed=sorted(files), files_changed_count=len(files)), **command}
    result = build_step.run(replace(site.ctx, command=site.ctx.command.model_copy(update=changes)))
    assert result.error is not None and result.error.code is ErrorCode.BUILD_FAILED
    return result.broken_by_edit


@pytest.mark.parametrize(
    ("files", "given_back"),
    [
        ({"build.js": "process.exit(1)"}, True),
        ({"build.js": ""}, True),
        ({"package.json": "{"}, True),
        ({"build.js": "console.log('getaddrinfo ENOTFOUND api.example.com'); process.exit(1)"}, False),
    ],
)
def test_a_build_is_given_back_only_if_the_edit_broke_it(made: Site, files: dict[str, Any], given_back: bool) -> None:
    assert broken(made, files) is given_back


def test_a_build_that_is_killed_is_not_given_back(made_for_npm: Site) -> None:
    assert not broken(made_for_npm, {"build.js": "process.kill(process.pid, 'SIGKILL')"})


def test_a_site_that_cannot_be_built_at_all_is_not_given_back(tmp_path: Path, small_npm: None) -> None:
    with mock_aws():
        assert not broken(make_site(tmp_path / "bare", {"x.txt": "x"}), {"y.txt": "y"})
    with mock_aws():
        endless = make_site(tmp_path / "slow", SITE, build_timeout_seconds=2)
        assert not broken(endless, {"build.js": "setTimeout(() => {}, 60000)"})


@pytest.mark.parametrize("same", [True, False])
def test_a_failure_of_the_previous_command_is_not_given_back(made: Site, same: bool) -> None:
    make_tables(made.clients.dynamodb)
    accept(made.clients, "cmd-0", 1)
    write(made.folder, {"build.js": "console.error('at', Date.now(), 'src/a.astro is broken'); process.exit(1)"})
    first = build_step.run(made.ctx)
    assert first.broken_by_edit
    request = made.ctx.request.model_copy(update={"command_id": "cmd-0"})
    SessionStore(made.clients, "sessions", "commands", request, "me").record("build", first)
    files = {"page.txt": "x"} if same else {"build.js": "console.error('src/b.astro is broken'); process.exit(1)"}
    assert broken(made, files, supersedes="cmd-0") is not same
