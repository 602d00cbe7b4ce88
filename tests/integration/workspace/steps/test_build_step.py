"""The step `build` on small sites, with S3 in moto. Where npm's own behaviour decides, npm is real (`made_for_npm`)."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws
from workspace.steps import build_step
from workspace.system.children import ProcessChildren

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.names import manifest_key
from sitewright.publishing import lease
from tests.support.publishing.site_world import BUCKET, Site, make_site, write
from tests.support.workspace.npm_lock import write_lock
from tests.support.workspace.npm_site import (
    BUILD,
    SITE,
    npm_commands,
)
from tests.support.workspace.runner_parts import TestClients, git


def test_a_dirty_checkout_is_committed_built_and_live(made_for_npm: Site) -> None:
    write_lock(made_for_npm.folder)
    write(made_for_npm.folder / "dist", {"stale.html": "old"})
    result = build_step.run(made_for_npm.ctx)
    assert result.error is None and result.build_success and result.deploy_success and result.committed
    assert result.commit == git(made_for_npm.folder, "rev-parse", "HEAD")
    assert git(made_for_npm.folder, "log", "-1", "--format=%s") == "Add a page"
    assert (
        made_for_npm.live() == {"index.html", "env.json"}
        and made_for_npm.read("index.html") == "<html>tiny production</html>"
    )
    assert not {"AWS_SECRET_ACCESS_KEY", "ANTHROPIC_API_KEY"} & set(json.loads(made_for_npm.read("env.json")))
    assert set(result.seconds) == {"commit", "install", "build", "publish"} and result.uploaded == 2
    assert made_for_npm.manifest().commit == result.commit


def test_the_commit_is_checkpointed_while_npm_works(made: Site) -> None:
    write_lock(made.folder)
    saved: list[tuple[str, bool]] = []
    ctx = replace(
        made.ctx,
        checkpoint_in_background=lambda: saved.append(
            (git(made.folder, "log", "-1", "--format=%s"), (made.folder / "dist").exists())
        ),
    )
    assert build_step.run(ctx).committed
    assert saved == [("Add a page", False)]
    assert not build_step.run(ctx).committed
    assert len(saved) == 1, "nothing new to save"


def test_packages_are_installed_once_for_a_lock_file(made: Site) -> None:
    write_lock(made.folder)
    for number, note in enumerate("xyz"):
        write(made.folder, {"note.txt": note})
        assert build_step.run(made.ctx).build_success and len(npm_commands(made)) == 1, number
    shutil.rmtree(made.folder / "node_modules")
    write(made.folder, {"note.txt": "removed"})
    assert build_step.run(made.ctx).build_success and len(npm_commands(made)) == 2


def test_a_fifo_instead_of_package_json_is_a_failed_build(made: Site) -> None:
    git(made.folder, "update-index", "--skip-worktree", "package.json")
    (made.folder / "package.json").unlink()
    os.mkfifo(made.folder / "package.json")
    result = build_step.run(made.ctx)
    assert result.error is not None and result.error.code is ErrorCode.BUILD_FAILED
    assert "package.json" in result.error.message and "regular" in result.error.message


def test_without_a_lock_file_packages_are_installed_and_none_is_written(made_for_npm: Site) -> None:
    assert build_step.run(made_for_npm.ctx).build_success
    assert not (made_for_npm.folder / "package-lock.json").exists()


def test_a_failed_build_names_the_file_and_leaves_the_site_alone(made_for_npm: Site) -> None:
    made_for_npm.clients.s3.put_object(Bucket=BUCKET, Key="index.html", Body=b"old")
    noise = "".join(f"console.error('line {i}');" for i in range(60))
    write(
        made_for_npm.folder,
        {
            "build.js": f"console.error(process.cwd()+'/src/pages/about.astro:3:1');{noise}"
            "console.error('bad key ghp_' + 'aB3'.repeat(12));process.exit(7)"
        },
    )
    result = build_step.run(made_for_npm.ctx)
    assert not result.build_success and not result.deploy_success and result.committed and result.commit
    assert result.error is not None and result.error.code is ErrorCode.BUILD_FAILED
    assert "exited with 7" in result.error.message
    assert "src/pages/about.astro:3:1" in result.error.message and "line 59" in result.error.message
    assert "line 10\n" not in result.error.message
    assert "bad key ghp_***" in result.error.message and "aB3aB3" not in result.error.message
    assert made_for_npm.live() == {"index.html"} and made_for_npm.read("index.html") == "old"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"build.js": ""}, "dist"),
        ({"build.js": "require('fs').mkdirSync('dist')"}, "empty"),
        ({"package.json": "{"}, "no JSON"),
        ({"package.json": "[]"}, "script `build`"),
        ({"package.json": '{"scripts": {"dev": "x"}}'}, "script `build`"),
        ({"build.js": "require('fs').symlinkSync('/etc', 'dist')"}, "no dist/ folder"),
        ({"package.json": '{"scripts": {"build": "no-such-program"}}'}, "exited with 127"),
    ],
)
def test_a_build_without_output_is_a_failed_build(made: Site, files: dict[str, Any], says: str) -> None:
    write(made.folder, files)
    error = build_step.run(made.ctx).error
    assert error is not None and error.code is ErrorCode.BUILD_FAILED and says in error.message


def test_no_package_json_and_a_build_without_end(tmp_path: Path, small_npm: None) -> None:
    with mock_aws():
        bare = build_step.run(make_site(tmp_path / "bare", {"x.txt": "x"}).ctx)
        assert bare.error is not None and "package.json" in bare.error.message
    with mock_aws():
        endless = SITE | {"build.js": "setTimeout(() => {}, 60000)"}
        error = build_step.run(make_site(tmp_path / "slow", endless, build_timeout_seconds=2).ctx).error
        assert error is not None and "within 2 s" in error.message


def test_a_publish_that_fails_leaves_a_build_that_succeeded(made: Site) -> None:
    made.clients.s3.delete_bucket(Bucket=BUCKET)
    result = build_step.run(made.ctx)
    assert result.build_success and not result.deploy_success
    assert result.error is not None and result.error.code is ErrorCode.PUBLISH_FAILED


def distribution(cloudfront: Any) -> str:
    """Creates a distribution in moto."""
    origin = {"Id": "o", "DomainName": f"{BUCKET}.s3.amazonaws.com", "S3OriginConfig": {"OriginAccessIdentity": ""}}
    config = {
        "CallerReference": "x",
        "Comment": "",
        "Enabled": True,
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "redirect-to-https"},
    }
    made: str = cloudfront.create_distribution(DistributionConfig=config)["Distribution"]["Id"]
    return made


def test_a_publish_invalidates_the_changed_paths_once(tmp_path: Path, small_npm: None) -> None:
    with mock_aws():
        cloudfront = TestClients().cloudfront
        there = distribution(cloudfront)
        site = make_site(tmp_path, SITE, distribution_id=there)
        first = build_step.run(site.ctx)
        assert first.error is None and first.deploy_success
        assert build_step.run(site.ctx).uploaded == 0
        [summary] = cloudfront.list_invalidations(DistributionId=there)["InvalidationList"]["Items"]
        batch = cloudfront.get_invalidation(DistributionId=there, Id=summary["Id"])["Invalidation"]["InvalidationBatch"]
        assert batch["CallerReference"] == first.deployment_id
        assert batch["Paths"]["Items"] == ["/", "/env.json", "/index.html"]


def test_a_refused_invalidation_is_reported_and_the_site_is_live(tmp_path: Path, small_npm: None) -> None:
    with mock_aws():
        site = make_site(tmp_path, SITE, distribution_id="E123")

        def refuse(**_: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://cloudfront.amazonaws.com")

        site.clients.cloudfront.meta.events.register("before-call.cloudfront.CreateInvalidation", refuse)
        result = build_step.run(site.ctx)
        assert result.build_success and result.deploy_success and "index.html" in site.live()
        assert result.error is not None and result.error.code is ErrorCode.INVALIDATION_FAILED


@pytest.mark.parametrize(
    ("script", "code", "says"),
    [
        ("fs.writeFileSync(Buffer.from('dist/\\xff.txt', 'latin1'), 'x')", ErrorCode.UNPUBLISHABLE_NAME, "not UTF-8"),
        ("fs.writeFileSync('dist/a\\x01b.html', '<html></html>')", ErrorCode.UNPUBLISHABLE_NAME, "dist/a\\x01b.html"),
        ("fs.mkdirSync('dist/line\\nfeed')", ErrorCode.UNPUBLISHABLE_NAME, "U+000A"),
        ("fs.ftruncateSync(fs.openSync('dist/film.mp4', 'w'), 2**30 + 1)", ErrorCode.SITE_TOO_LARGE, "dist/film.mp4"),
    ],
)
def test_what_must_not_be_published_leaves_the_site_as_it_was_and_keeps_the_commit(
    made: Site, script: str, code: ErrorCode, says: str
) -> None:
    assert build_step.run(made.ctx).deploy_success
    before, manifest = made.live(), made.manifest()
    write(made.folder, {"build.js": BUILD.replace("Hello", "Bye") + script})
    result = build_step.run(made.ctx)
    assert result.committed and result.commit and not result.build_success and not result.deploy_success
    assert result.error is not None and result.error.code is code and says in result.error.message
    assert result.error.remedy == code.remedy and result.broken_by_edit, "the agent may repair it"
    assert made.live() == before and made.manifest() == manifest


def test_without_a_message_the_commit_still_has_a_subject(made: Site) -> None:
    command = made.ctx.command.model_copy(update={"commit_message": None})
    write(made.folder, {"new.txt": "x"})
    assert build_step.run(replace(made.ctx, command=command)).committed
    assert git(made.folder, "log", "-1", "--format=%s") == build_step.FALLBACK_SUBJECT


def live(site: Site, **changes: Any) -> None:
    body = site.manifest().model_copy(update=changes).to_bytes()
    site.clients.s3.put_object(Bucket="artifacts", Key=manifest_key("amelia"), Body=body)


def test_a_commit_that_is_live_is_not_built_again(made: Site) -> None:
    first = build_step.run(made.ctx)
    again = build_step.run(made.ctx)
    assert (again.skipped, again.build_success, again.deploy_success, again.committed) == (True, True, True, False)
    assert (again.commit, again.deployment_id, again.error) == (first.commit, first.deployment_id, None)
    assert set(again.seconds) == {"commit"}


@pytest.mark.parametrize(
    "changes", [{"reconcile": True}, {"complete": False}, {"lease_owner": "s2"}, {"commit": "0" * 40}, {"commit": None}]
)
def test_a_site_that_is_not_wholly_this_commit_is_built(
    made: Site, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A publisher waits for another lease owner until the lease expires.
    for name, seconds in (("LEASE_SECONDS", 3.0), ("RENEW_SECONDS", 0.5), ("MARGIN_SECONDS", 0.1)):
        monkeypatch.setattr(lease, name, seconds)
    build_step.run(made.ctx)
    live(made, **changes)
    result = build_step.run(made.ctx)
    assert not result.skipped and result.seconds.get("build")


def test_an_edit_is_built_although_its_parent_is_live(made: Site) -> None:
    build_step.run(made.ctx)
    write(made.folder, {"build.js": BUILD + "fs.writeFileSync('dist/new.html', '<html></html>')"})
    result = build_step.run(made.ctx)
    assert not result.skipped and "new.html" in made.live()


def test_a_lock_file_that_does_not_fit_is_noted(made_for_npm: Site) -> None:
    write_lock(made_for_npm.folder)
    write(made_for_npm.folder, {"small/package.json": '{"name":"small","version":"1.0.0"}'})
    changed = json.loads(SITE["package.json"])
    changed["devDependencies"]["small"] = "file:./small"
    write(made_for_npm.folder, {"package.json": json.dumps(changed)})
    result = build_step.run(made_for_npm.ctx)
    assert result.build_success
    assert result.notes == ["package-lock.json does not fit package.json: run `npm install` and commit it."]


def test_the_log_is_streamed_line_by_line(made_for_npm: Site) -> None:
    came: list[float] = []
    log = made_for_npm.ctx.log

    def watch(message: str, **values: Any) -> None:
        if values.get("line") in {"first", "second"}:
            came.append(time.monotonic())
        log(message, **values)

    script = "console.log('first'); setTimeout(() => console.log('second'), 700);"
    write(made_for_npm.folder, {"build.js": BUILD + script})
    build_step.run(replace(made_for_npm.ctx, log=watch, children=ProcessChildren(made_for_npm.stop, watch)))
    assert len(came) == 2 and came[1] - came[0] > 0.5
