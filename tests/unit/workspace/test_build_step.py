"""The step `build` with real npm on small sites, and S3 in moto."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws
from workspace.children import ProcessChildren
from workspace.errors import StepStopped, StopReason
from workspace.publish import books
from workspace.session import SessionStore
from workspace.steps import build
from workspace.stop import Stop

from contracts.errors import ErrorCode
from contracts.names import manifest_key
from contracts.steps import AgentResult
from tests.unit.workspace.core_support import TestClients, accept, git, make_tables
from tests.unit.workspace.site_support import BUCKET, Site, make_site, npm_lock, write

BUILD = """
const fs = require('fs');
fs.mkdirSync('dist', {recursive: true});
fs.writeFileSync('dist/index.html', `<html>${require('tiny')} ${process.env.NODE_ENV}</html>`);
fs.writeFileSync('dist/env.json', JSON.stringify(Object.keys(process.env)));
"""


def package(script: str = "node build.js") -> str:
    # A local tarball-free dependency: `npm ci` needs no registry.
    return json.dumps(
        {"name": "site", "version": "1.0.0", "scripts": {"build": script}, "devDependencies": {"tiny": "file:./tiny"}}
    )


SITE = {
    "package.json": package(),
    "build.js": BUILD,
    "tiny/package.json": '{"name":"tiny","version":"1.0.0","main":"i.js"}',
    "tiny/i.js": "module.exports = 'tiny'",
}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Site]:
    with mock_aws():
        yield make_site(tmp_path, SITE)


def npm_commands(site: Site) -> list[str]:
    return [line for line in site.logs if "'program': 'npm'" in line and "'line': 'added " in line]


def test_a_dirty_checkout_is_committed_built_and_live(made: Site) -> None:
    npm_lock(made.folder)
    write(made.folder / "dist", {"stale.html": "old"})
    result = build.run(made.ctx)
    assert result.error is None and result.build_success and result.deploy_success and result.committed
    assert result.commit == git(made.folder, "rev-parse", "HEAD")
    assert git(made.folder, "log", "-1", "--format=%s") == "Add a page"
    assert made.live() == {"index.html", "env.json"} and made.read("index.html") == "<html>tiny production</html>"
    assert not {"AWS_SECRET_ACCESS_KEY", "ANTHROPIC_API_KEY"} & set(json.loads(made.read("env.json")))
    assert set(result.seconds) == {"commit", "install", "build", "publish"} and result.uploaded == 2
    assert made.manifest().commit == result.commit


def test_the_commit_is_saved_while_npm_works(made: Site) -> None:
    npm_lock(made.folder)
    saved: list[tuple[str, bool]] = []
    ctx = replace(
        made.ctx,
        save_beside=lambda: saved.append(
            (git(made.folder, "log", "-1", "--format=%s"), (made.folder / "dist").exists())
        ),
    )
    assert build.run(ctx).committed
    assert saved == [("Add a page", False)]
    assert not build.run(ctx).committed
    assert len(saved) == 1, "nothing new to save"


def test_node_modules_come_from_the_archive_of_the_same_lock_file(made: Site) -> None:
    npm_lock(made.folder)
    build.run(made.ctx)
    assert len(npm_commands(made)) == 1
    shutil.rmtree(made.folder / "node_modules")
    write(made.folder, {"note.txt": "x"})
    again = build.run(made.ctx)
    assert again.build_success and again.unchanged == 2
    assert len(npm_commands(made)) == 1 and (made.folder / "node_modules" / "tiny").is_symlink()
    write(made.folder, {"note.txt": "y"})
    build.run(made.ctx)
    assert len(npm_commands(made)) == 1
    listing = made.clients.s3.list_objects_v2(Bucket="artifacts", Prefix="amelia/cache/")["Contents"]
    assert len(listing) == 1
    # A broken archive is no reason to fail.
    made.clients.s3.put_object(Bucket="artifacts", Key=listing[0]["Key"], Body=b"rubbish")
    shutil.rmtree(made.folder / "node_modules")
    write(made.folder, {"note.txt": "z"})
    assert build.run(made.ctx).build_success and len(npm_commands(made)) == 2


def test_without_a_lock_file_packages_are_installed_and_none_is_written(made: Site) -> None:
    assert build.run(made.ctx).build_success
    assert not (made.folder / "package-lock.json").exists()


def test_a_failed_build_names_the_file_and_leaves_the_site_alone(made: Site) -> None:
    made.clients.s3.put_object(Bucket=BUCKET, Key="index.html", Body=b"old")
    noise = "".join(f"console.error('line {i}');" for i in range(60))
    write(
        made.folder, {"build.js": f"console.error(process.cwd()+'/src/pages/about.astro:3:1');{noise}process.exit(7)"}
    )
    result = build.run(made.ctx)
    assert not result.build_success and not result.deploy_success and result.committed and result.commit
    assert result.error is not None and result.error.code is ErrorCode.BUILD_FAILED
    assert "src/pages/about.astro:3:1" in result.error.message and "line 59" in result.error.message
    assert "line 10\n" not in result.error.message
    assert made.live() == {"index.html"} and made.read("index.html") == "old"


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
def test_no_result_is_a_failed_build(made: Site, files: dict[str, Any], says: str) -> None:
    write(made.folder, files)
    error = build.run(made.ctx).error
    assert error is not None and error.code is ErrorCode.BUILD_FAILED and says in error.message


def test_no_package_json_and_a_build_without_end(tmp_path: Path) -> None:
    with mock_aws():
        bare = build.run(make_site(tmp_path / "bare", {"x.txt": "x"}).ctx)
        assert bare.error is not None and "package.json" in bare.error.message
    with mock_aws():
        endless = SITE | {"build.js": "setTimeout(() => {}, 60000)"}
        error = build.run(make_site(tmp_path / "slow", endless, build_timeout_seconds=4).ctx).error
        assert error is not None and "within 4 s" in error.message


def test_a_publish_that_fails_leaves_a_build_that_succeeded(made: Site) -> None:
    made.clients.s3.delete_bucket(Bucket=BUCKET)
    result = build.run(made.ctx)
    assert result.build_success and not result.deploy_success
    assert result.error is not None and result.error.code is ErrorCode.PUBLISH_FAILED


def distribution(cloudfront: Any) -> str:
    """A distribution in moto."""
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


def test_a_publish_tells_cloudfront_once_what_is_old(tmp_path: Path) -> None:
    with mock_aws():
        cloudfront = TestClients().cloudfront
        there = distribution(cloudfront)
        site = make_site(tmp_path, SITE, distribution_id=there)
        first = build.run(site.ctx)
        assert first.error is None and first.deploy_success
        assert build.run(site.ctx).uploaded == 0
        [summary] = cloudfront.list_invalidations(DistributionId=there)["InvalidationList"]["Items"]
        batch = cloudfront.get_invalidation(DistributionId=there, Id=summary["Id"])["Invalidation"]["InvalidationBatch"]
        assert batch["CallerReference"] == first.deployment_id
        assert batch["Paths"]["Items"] == ["/", "/env.json", "/index.html"]


def test_a_refused_invalidation_is_told_and_the_site_is_live(tmp_path: Path) -> None:
    with mock_aws():
        site = make_site(tmp_path, SITE, distribution_id="E123")

        def refuse(**_: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://cloudfront.amazonaws.com")

        site.clients.cloudfront.meta.events.register("before-call.cloudfront.CreateInvalidation", refuse)
        result = build.run(site.ctx)
        assert result.build_success and result.deploy_success and "index.html" in site.live()
        assert result.error is not None and result.error.code is ErrorCode.INVALIDATION_FAILED


def interrupt_when(site: Site, condition: Callable[[], bool]) -> None:
    def wait() -> None:
        while not condition():
            time.sleep(0.02)
        site.stop.add(StopReason.INTERRUPT)

    threading.Thread(target=wait, daemon=True).start()


def test_an_interrupted_build_publishes_its_whole_pages(made: Site) -> None:
    script = BUILD + "fs.writeFileSync('dist/cut.html', '<html>'); setTimeout(() => {}, 60000)"
    write(made.folder, {"build.js": script})
    interrupt_when(made, (made.folder / "dist" / "cut.html").exists)
    with pytest.raises(StepStopped):
        build.run(made.ctx)
    made.fence.stop = Stop()
    assert build.publish_partial(made.ctx) == 2
    assert made.live() == {"index.html", "env.json"}
    assert not made.manifest().complete and made.manifest().commit == git(made.folder, "rev-parse", "HEAD")


def test_an_interrupted_publish_is_finished_without_deletes(made: Site) -> None:
    made.clients.s3.put_object(Bucket=BUCKET, Key="old.html", Body=b"old")
    interrupt_when(made, lambda: "env.json" in made.live())
    made.fence.at = lambda: time.sleep(0.2)
    with pytest.raises(StepStopped):
        build.run(made.ctx)
    made.fence.stop, made.fence.at = Stop(), lambda: None
    build.publish_partial(made.ctx)
    assert made.live() == {"index.html", "env.json", "old.html"}


@pytest.mark.parametrize("build_js", ["process.exit(3)", BUILD + "process.exit(3)"])
def test_of_a_failed_build_nothing_goes_live_later(made: Site, build_js: str) -> None:
    write(made.folder, {"build.js": build_js})
    assert not build.run(made.ctx).build_success
    assert build.publish_partial(made.ctx) == 0 and made.live() == set()


def test_an_interrupt_before_the_build_publishes_nothing_of_an_older_dist(made: Site) -> None:
    write(made.folder / "dist", {"index.html": "<html>another session</html>"})
    made.stop.add(StopReason.INTERRUPT)
    with pytest.raises(StepStopped):
        build.run(made.ctx)
    made.fence.stop = Stop()
    assert build.publish_partial(made.ctx) == 0 and made.live() == set()


def test_a_name_that_is_no_key_is_a_failed_build(made: Site) -> None:
    write(made.folder, {"build.js": BUILD + "fs.writeFileSync(Buffer.from('dist/\\xff.txt', 'latin1'), 'x')"})
    error = build.run(made.ctx).error
    assert error is not None and error.code is ErrorCode.BUILD_FAILED and "not UTF-8" in error.message


def test_without_a_message_the_commit_still_has_a_subject(made: Site) -> None:
    command = made.ctx.command.model_copy(update={"commit_message": None})
    write(made.folder, {"new.txt": "x"})
    assert build.run(replace(made.ctx, command=command)).committed
    assert git(made.folder, "log", "-1", "--format=%s") == build.FALLBACK_SUBJECT


def broken(site: Site, files: dict[str, Any], **command: Any) -> bool:
    write(site.folder, files)
    changes = {"agent": AgentResult(files_changed=sorted(files), files_changed_count=len(files)), **command}
    result = build.run(replace(site.ctx, command=site.ctx.command.model_copy(update=changes)))
    assert result.error is not None and result.error.code is ErrorCode.BUILD_FAILED
    return result.broken_by_edit


@pytest.mark.parametrize(
    ("files", "given_back"),
    [
        ({"build.js": "process.exit(1)"}, True),
        ({"build.js": ""}, True),
        ({"package.json": "{"}, True),
        ({"build.js": "console.log('getaddrinfo ENOTFOUND api.example.com'); process.exit(1)"}, False),
        ({"build.js": "process.kill(process.pid, 'SIGKILL')"}, False),
    ],
)
def test_a_build_is_given_back_only_if_the_edit_broke_it(made: Site, files: dict[str, Any], given_back: bool) -> None:
    assert broken(made, files) is given_back


def test_a_site_that_cannot_be_built_at_all_is_not_given_back(tmp_path: Path) -> None:
    with mock_aws():
        assert not broken(make_site(tmp_path / "bare", {"x.txt": "x"}), {"y.txt": "y"})
    with mock_aws():
        endless = make_site(tmp_path / "slow", SITE, build_timeout_seconds=4)
        assert not broken(endless, {"build.js": "setTimeout(() => {}, 60000)"})


@pytest.mark.parametrize("same", [True, False])
def test_what_the_command_before_left_broken_is_not_given_back(made: Site, same: bool) -> None:
    make_tables(made.clients.dynamodb)
    accept(made.clients, "cmd-0", 1)
    write(made.folder, {"build.js": "console.error('at', Date.now(), 'src/a.astro is broken'); process.exit(1)"})
    first = build.run(made.ctx)
    assert first.broken_by_edit
    request = made.ctx.request.model_copy(update={"command_id": "cmd-0"})
    SessionStore(made.clients, "sessions", "commands", request, "me").record("build", first)
    files = {"page.txt": "x"} if same else {"build.js": "console.error('src/b.astro is broken'); process.exit(1)"}
    assert broken(made, files, supersedes="cmd-0") is not same


def live(site: Site, **changes: Any) -> None:
    body = site.manifest().model_copy(update=changes).to_bytes()
    site.clients.s3.put_object(Bucket="artifacts", Key=manifest_key("amelia"), Body=body)


def test_a_commit_that_is_live_is_not_built_again(made: Site) -> None:
    first = build.run(made.ctx)
    again = build.run(made.ctx)
    assert (again.skipped, again.build_success, again.deploy_success, again.committed) == (True, True, True, False)
    assert (again.commit, again.deployment_id, again.error) == (first.commit, first.deployment_id, None)
    assert set(again.seconds) == {"commit"}


@pytest.mark.parametrize(
    "changes", [{"reconcile": True}, {"complete": False}, {"holder": "s2"}, {"commit": "0" * 40}, {"commit": None}]
)
def test_what_is_not_wholly_this_commit_is_built(
    made: Site, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A holder is waited for, for a whole lease.
    for name, seconds in (("LEASE_SECONDS", 3.0), ("RENEW_SECONDS", 0.5), ("MARGIN_SECONDS", 0.1)):
        monkeypatch.setattr(books, name, seconds)
    build.run(made.ctx)
    live(made, **changes)
    result = build.run(made.ctx)
    assert not result.skipped and result.seconds.get("build")


def test_an_edit_is_built_although_its_parent_is_live(made: Site) -> None:
    build.run(made.ctx)
    write(made.folder, {"build.js": BUILD + "fs.writeFileSync('dist/new.html', '<html></html>')"})
    result = build.run(made.ctx)
    assert not result.skipped and "new.html" in made.live()


def test_a_lock_file_that_does_not_fit_is_noted(made: Site) -> None:
    npm_lock(made.folder)
    write(made.folder, {"small/package.json": '{"name":"small","version":"1.0.0"}'})
    changed = json.loads(SITE["package.json"])
    changed["devDependencies"]["small"] = "file:./small"
    write(made.folder, {"package.json": json.dumps(changed)})
    result = build.run(made.ctx)
    assert result.build_success
    assert result.notes == ["package-lock.json does not fit package.json: run `npm install` and commit it."]


def test_the_log_is_streamed_line_by_line(made: Site) -> None:
    came: list[float] = []
    log = made.ctx.log

    def watch(message: str, **values: Any) -> None:
        if values.get("line") in {"first", "second"}:
            came.append(time.monotonic())
        log(message, **values)

    script = "console.log('first'); setTimeout(() => console.log('second'), 700);"
    write(made.folder, {"build.js": BUILD + script})
    build.run(replace(made.ctx, log=watch, children=ProcessChildren(made.stop, watch)))
    assert len(came) == 2 and came[1] - came[0] > 0.5


def test_an_interrupt_after_the_publish_does_not_bring_it_back_over_another_sessions_site(made: Site) -> None:
    assert build.run(made.ctx).deploy_success
    made.clients.s3.put_object(Bucket=BUCKET, Key="index.html", Body=b"another session's")
    changed = made.manifest().model_copy(update={"deployment_id": "another", "files": {}})
    made.clients.s3.put_object(Bucket="artifacts", Key=manifest_key("amelia"), Body=changed.to_bytes())
    assert build.publish_partial(made.ctx) == 0
    assert made.read("index.html") == "another session's"
