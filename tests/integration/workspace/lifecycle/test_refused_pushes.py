"""A git host that refuses commits: the cause is named, and the session goes on once the cause is gone."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from workspace.repository.host_rules import unsent_content
from workspace.steps import sendable

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.steps import StepName
from tests.support.workspace.runner_parts import accept, git, put_secret, read_command
from tests.support.workspace.runner_world import World, edit, new_world
from tests.support.workspace.shared_site import SharedSite, built, shared_site

HOOK = """#!/bin/sh
while read old new ref; do for commit in $(git rev-list $new --not --all); do
git diff-tree -m --root -r --no-commit-id --name-only $commit | grep -q '^refused' && { echo "no such files" >&2; exit 1; }
done; done; exit 0
"""
SIGNED_ONLY = """#!/bin/sh
while read old new ref; do for commit in $(git rev-list $new --not --all); do
git cat-file commit $commit | grep -q '^gpgsig' || { echo "GitLab: Commit must be signed" >&2; exit 1; }
done; done; exit 0
"""
PUSH = StepName.PUSH


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SharedSite]:
    """A site whose host refuses each commit that touches a file `refused…`."""
    with new_world(tmp_path, monkeypatch, hook=HOOK) as world:
        yield shared_site(world, monkeypatch)


@pytest.fixture
def open_site(world: World, monkeypatch: pytest.MonkeyPatch) -> SharedSite:
    """A site whose host takes everything."""
    return shared_site(world, monkeypatch)


def refusal(site: SharedSite) -> dict[str, Any]:
    kind, report = site.world.report
    assert (kind, report["error"]) == ("failure", "Step.Failed"), report
    cause: dict[str, Any] = report["cause"]
    return cause


def pushed(site: SharedSite) -> dict[str, Any]:
    kind, report = site.world.report
    assert kind == "success" and report["output"]["pushed"], report
    output: dict[str, Any] = report["output"]
    return output


def names_in_history(site: SharedSite, branch: str) -> set[str]:
    return set(site.world.remote("log", "-m", "--format=", "--name-only", branch).split())


def test_one_refused_commit_does_not_block_the_session_for_ever(site: SharedSite) -> None:
    first = site.run("s1", {"refused.yml": "on: push", "one.html": "1"}, PUSH)
    assert refusal(site)["code"] == "push_failed" and "no such files" in refusal(site)["message"]
    assert "one.html" in site.live(), "it is live, and saved in no git"
    assert not site.world.remote("branch", "--list", "thread-t1")

    second = site.run("s1", {"refused.yml": None, "two.html": "2"}, PUSH)
    commit = pushed(site)["commit"]
    assert commit == built(second).commit == site.manifest().commit, "what is live is what is saved"
    assert site.world.remote("rev-parse", "thread-t1") == commit
    message = site.world.remote("log", "-1", "--format=%B", commit)
    assert f"Replaces: {built(first).commit}" in message and "Session-Id: s1" in message

    third = site.run("s1", {"three.html": "3"}, PUSH)
    assert pushed(site)["commit"] == built(third).commit
    assert site.world.remote("rev-parse", "thread-t1~1") == commit, "the history goes on, and is folded no more"
    assert names_in_history(site, "thread-t1").isdisjoint({"refused.yml"})
    assert {"one.html", "two.html", "three.html"} <= site.live().keys()


def test_a_cause_that_only_the_history_has_is_gone_with_the_first_push(site: SharedSite) -> None:
    site.run("s1", {"refused.yml": "x", "one.html": "1"})
    site.run("s1", {"refused.yml": None, "two.html": "2"}, PUSH)
    commit = pushed(site)["commit"]
    assert commit != site.manifest().commit, "the clean commit came after the publish"
    assert site.world.remote("rev-parse", "thread-t1") == commit
    site.run("s1", {"three.html": "3"}, PUSH)
    assert names_in_history(site, "thread-t1").isdisjoint({"refused.yml"}), "what was live is not taken in again"


def test_other_sessions_have_the_work_of_the_refused_commits(site: SharedSite) -> None:
    """The live commit is in the first session's checkpoint alone, and its clean one is on the host."""
    site.run("s1", {"refused.yml": "x", "index.html": "<h1>One</h1>"})
    site.run("s1", {"refused.yml": None, "two.html": "2"}, PUSH)
    site.run("s2", {"other.html": "o"}, PUSH)
    pushed(site)
    assert {"two.html", "other.html"} <= site.live().keys() and site.live()["index.html"] == "<h1>One</h1>"
    last = site.run("s1", {"index.html": "<h1>Two</h1>"}, PUSH)
    pushed(site)
    assert site.live()["index.html"] == "<h1>Two</h1>" and "other.html" in site.live()
    again = site.run("s2", {"index.html": "<h1>Three</h1>"}, PUSH)
    assert built(last).error is None and built(again).error is None, "nothing contradicts itself"
    pushed(site)
    for branch in site.world.remote("branch", "--format=%(refname:short)").split():
        assert names_in_history(site, branch).isdisjoint({"refused.yml"}), branch


def test_a_removal_of_the_cause_reaches_a_session_that_has_it(site: SharedSite) -> None:
    site.run("s1", {"refused.yml": "x", "one.html": "1"}, PUSH)
    site.run("s2", {"two.html": "2"}, PUSH)
    assert refusal(site)["code"] == "push_failed", "it stands on what is live"
    site.run("s1", {"refused.yml": None}, PUSH)
    pushed(site)
    site.run("s2", {"three.html": "3"}, PUSH)
    pushed(site)
    assert {"one.html", "two.html", "three.html"} <= site.live().keys()


def test_commits_whose_files_still_have_the_cause_stay_as_they_are(site: SharedSite) -> None:
    site.run("s1", {"one.html": "1"})
    second = site.run("s1", {"refused.yml": "x"}, PUSH)
    assert refusal(site)["code"] == "push_failed"
    checkout = site.world.root / "site"
    assert git(checkout, "rev-parse", "HEAD") == built(second).commit
    assert git(checkout, "rev-list", "--count", "origin/main..HEAD") == "2"


def test_a_failed_run_is_saved_clean_too(site: SharedSite) -> None:
    site.run("s1", {"refused.yml": "x"}, PUSH)
    site.run("s1", {"refused.yml": None, "one.html": "1"}, StepName.SALVAGE)
    pushed(site)
    assert names_in_history(site, "thread-t1").isdisjoint({"refused.yml"})


SECRET = "ghp_" + "aB3dE6" * 6


def test_a_secret_is_found_before_the_publish_and_leaves_no_trace(open_site: SharedSite) -> None:
    site = open_site
    refused = built(site.run("s1", {"index.html": f"key: {SECRET}"}))
    assert refused.error is not None and refused.error.code is ErrorCode.PUSH_SECRET
    assert "index.html" in refused.error.message and SECRET not in refused.to_json()
    assert (refused.build_success, refused.deploy_success, refused.broken_by_edit) == (False, False, True)
    assert not site.live()
    site.run("s1", {"index.html": "key: in the settings"}, PUSH)
    pushed(site)
    assert site.live()["index.html"] == "key: in the settings"
    assert SECRET not in site.world.remote("log", "--patch", "thread-t1")


def test_an_operator_may_allow_what_looks_like_a_secret(open_site: SharedSite) -> None:
    site = open_site
    site.run("s1", {"index.html": f"key: {SECRET}"})
    accept(site.world.clients, "c9", 9, allow=[ErrorCode.PUSH_SECRET])
    assert site.world.step(StepName.BUILD, "c9", 9) == 0
    done = read_command(site.world.clients, "c9").build
    assert done is not None and done.deploy_success


def test_a_file_that_is_too_large_is_folded_away_before_the_publish(
    open_site: SharedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent may commit what the service itself leaves out of commits."""
    site = open_site
    monkeypatch.setattr(unsent_content, "CHECKOUT_FILE_BYTES", 1000)
    refused = built(site.run("s1", {"film.mp4": "x" * 2000}))
    assert refused.error is not None and refused.error.code is ErrorCode.PUSH_LARGE_FILE
    assert "film.mp4" in refused.error.message
    site.run("s1", {"film.mp4": None, "one.html": "1"}, PUSH)
    assert pushed(site)["commit"] == site.manifest().commit
    assert names_in_history(site, "thread-t1").isdisjoint({"film.mp4"})


def test_a_workflow_is_found_before_the_publish_at_github_alone(
    open_site: SharedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, files = open_site, {".github/workflows/a.yml": "on: push"}
    assert built(site.run("s1", dict(files))).deploy_success
    monkeypatch.setattr(sendable, "is_github", lambda _: True)
    refused = built(site.run("s2", {**files, "x.html": "x"}))
    assert refused.error is not None and refused.error.code is ErrorCode.PUSH_WORKFLOW
    assert ".github/workflows/a.yml" in refused.error.message


def test_a_push_that_is_too_large_is_not_tried_for_a_minute(open_site: SharedSite) -> None:
    site = open_site
    site.run("s1", {"one.html": "1"})
    site.world.host.answer, asked = 413, len(site.world.host.seen)
    assert site.world.step(PUSH, "c1", 1) == 0
    assert refusal(site)["code"] == "push_too_large"
    assert len(site.world.host.seen) - asked <= 2
    site.world.host.answer = None
    assert site.world.step(PUSH, "c1", 1) == 0
    pushed(site)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
def test_a_host_that_takes_signed_commits_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")), check=True)
    with new_world(tmp_path, monkeypatch, hook=SIGNED_ONLY) as world:
        site, key = shared_site(world, monkeypatch), {"signing_key_secret": "signing-key"}
        site.run("s1", {"one.html": "1"}, PUSH)
        assert refusal(site)["code"] == "push_unsigned" and "must be signed" in refusal(site)["message"]
        assert site.world.step(PUSH, "c1", 1, **key) == 0
        assert refusal(site)["code"] == "push_unsigned" and "Store it: aws ssm" in refusal(site)["message"]
        text = (tmp_path / "key").read_text()
        put_secret(world.clients, "signing-key", text)
        second = site.run("s1", {"two.html": "2"}, PUSH, **key)
        assert pushed(site)["commit"] == built(second).commit == site.manifest().commit
        site.run("s2", {"three.html": "3"}, PUSH, **key)
        pushed(site)
        site.world.use(agent=edit({"four.html": "4"}))
        accept(world.clients, "c8", 8)
        assert world.step(StepName.AGENT, "c8", 8, **key) == 0
        assert world.step(StepName.SALVAGE, "c8", 8, **key) == 0
        pushed(site)
        assert text.splitlines()[2] not in world.log.getvalue() + str(world.clients.sfn.calls)
