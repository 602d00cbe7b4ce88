"""The step `prepare`: it installs and builds, and commits and publishes nothing."""

from workspace.steps import build_step, prepare_step

from sitewright.contracts.error_codes import ErrorCode
from tests.support.publishing.site_world import Site, write
from tests.support.workspace.npm_lock import write_lock
from tests.support.workspace.runner_parts import git


def test_a_preparation_builds_and_leaves_site_and_history_alone(made: Site) -> None:
    write_lock(made.folder)
    before = git(made.folder, "rev-parse", "HEAD"), git(made.folder, "status", "--porcelain")
    result = prepare_step.run(made.ctx)
    assert result.build_success and result.error is None
    assert set(result.seconds) == {"install", "build"}
    assert (made.folder / "dist/index.html").exists()
    assert (git(made.folder, "rev-parse", "HEAD"), git(made.folder, "status", "--porcelain")) == before
    assert made.live() == set()

    built = build_step.run(made.ctx)
    assert built.committed and built.deploy_success and "index.html" in made.live()


def test_a_site_that_cannot_be_built_is_told(made: Site) -> None:
    write(made.folder, {"package.json": "{}"})
    result = prepare_step.run(made.ctx)
    assert not result.build_success
    assert result.error is not None and result.error.code is ErrorCode.BUILD_FAILED
    assert "no script `build`" in result.error.message
