"""Failures end with a clear response, and the edits are kept."""

import time
import uuid

import pytest

from sitewright.publishing.manifest import LEASE_SECONDS
from tests.support.e2e.open_session import OpenSession
from tests.support.e2e.stack_driver import Sent, Site, Stack, until
from tests.support.e2e.words import fresh


def test_a_build_that_breaks_is_repaired_or_leaves_the_site_as_it_was(site: Site) -> None:
    first, answer = site.run("Introduce a syntax error on the homepage")

    assert (answer["status"], answer["error"]) == ("succeeded", None), answer
    assert answer["buildSuccess"] is True
    assert answer["deploySuccess"] is True
    assert "failed at first and was repaired" in answer["summary"]
    tasks = [state for state in site.states(first) if state in {"Agent", "Build", "Repair", "RecordSync", "Push"}]
    assert tasks == ["Agent", "Build", "Repair", "Build", "RecordSync", "Push"]
    record = site.command(first)
    assert record["repair"]["changed"] is True
    assert answer["costUsd"] == pytest.approx(float(record["agent"]["costUsd"]) + float(record["repair"]["costUsd"]))
    repair, broken = site.subjects(f"thread-{first.thread}")[:2]
    assert "Repair the build: Introduce a syntax error" in repair
    assert "] Introduce a syntax error" in broken
    assert "this is not closed" not in site.page()

    keys, page = site.keys(), site.page()
    sent, answer = site.run(
        "Introduce a stubborn syntax error on the homepage", session=first.session_id, thread=first.thread
    )

    assert answer["status"] == "succeeded", answer
    assert answer["buildSuccess"] is False
    assert answer["deploySuccess"] is not True
    assert answer["error"]["code"] == "build_failed"
    assert "index.astro" in answer["error"]["message"]
    assert answer["pushed"] is True
    assert "Saved, not live" in answer["summary"] and "npm" not in answer["summary"]
    assert (site.keys(), site.page()) == (keys, page), "a failed build touched the site"
    assert site.git("rev-parse", f"thread-{sent.thread}") == answer["commit"]
    assert "RecordSync" not in site.states(sent)
    assert site.states(sent).count("Repair") == 1
    assert "its repair found nothing to change" in answer["summary"]
    # The session's next command does not get the blame for an older fault.
    later, answer = site.run(
        'Add a new heading saying "Still broken" to the homepage', session=sent.session_id, thread=sent.thread
    )
    assert answer["buildSuccess"] is False
    assert "Repair" not in site.states(later)


def test_a_bucket_that_refuses_writes(session: OpenSession, stack: Stack) -> None:
    site, gone_heading, back_heading = session.site, fresh("Bucket is gone"), fresh("Bucket is back")
    s3 = stack.client("s3")
    while True:
        page = s3.list_object_versions(Bucket=site.bucket)
        there = [*page.get("Versions", []), *page.get("DeleteMarkers", [])][:1000]
        if not there:
            break
        gone = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in there]
        s3.delete_objects(Bucket=site.bucket, Delete={"Objects": gone})
    s3.delete_bucket(Bucket=site.bucket)
    try:
        _, answer = session.run(f'Add a new heading saying "{gone_heading}" to the homepage')
    finally:
        s3.create_bucket(Bucket=site.bucket, CreateBucketConfiguration={"LocationConstraint": stack.info["region"]})
        # Without older versions no later test could roll back.
        s3.put_bucket_versioning(Bucket=site.bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_website(
            Bucket=site.bucket,
            WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "404.html"}},
        )

    assert answer["status"] == "succeeded", answer
    assert answer["buildSuccess"] is True
    assert answer["deploySuccess"] is False
    assert answer["error"]["code"] == "publish_failed"
    assert site.bucket in answer["error"]["message"]
    assert answer["pushed"] is True

    _, answer = session.run(f'Add a new heading saying "{back_heading}" to the homepage')
    assert answer["deploySuccess"] is True, answer
    for text in (session.heading, gone_heading, back_heading):
        assert text in site.page()


def test_what_a_person_pushes_is_taken_in_before_the_edit(session: OpenSession) -> None:
    site, branch, ours = session.site, session.branch, fresh("Ours again")
    to_the_branch, to_main = fresh("To the session's branch."), fresh("To the default branch.")
    on_the_branch = site.commit_elsewhere(branch, "public/branch.txt", to_the_branch)
    on_main = site.commit_elsewhere("main", "public/main.txt", to_main)

    sent, answer = session.run(f'Add a new heading saying "{ours}" to the homepage')

    assert answer["success"] is True, answer
    assert answer["filesChanged"] == ["src/pages/index.astro"], "what it took in is not its own"
    assert answer["commit"] == site.git("rev-parse", branch)
    assert site.command(sent)["push"]["rebased"] is False
    for theirs in (on_the_branch, on_main):
        site.git("merge-base", "--is-ancestor", theirs, branch)
    assert len([subject for subject in session.subjects() if ours in subject]) == 1
    assert to_the_branch in site.page("/branch.txt")
    assert to_main in site.page("/main.txt")


def test_a_refused_token_and_then_a_git_host_that_is_down_for_a_while(session: OpenSession, stack: Stack) -> None:
    site, refused, down = session.site, fresh("Token refused"), fresh("Host was down")
    stack.git_mode(site.client_id, "reject-auth")
    try:
        _, answer = session.run(f'Add a new heading saying "{refused}" to the homepage')
    finally:
        stack.git_mode(site.client_id, "ok")

    assert answer["status"] == "failed", answer
    assert answer["error"]["code"] == "git_auth_failed"
    assert answer["pushed"] is False
    assert answer["deploySuccess"] is True
    assert "Live, not saved in git" in answer["summary"] and "fatal" not in answer["summary"]
    assert refused in site.page()

    sent = session.send(f'Add a new heading saying "{down}" to the homepage')
    site.wait_state(sent, "Build")
    stack.git_mode(site.client_id, "down")
    try:
        site.wait_state(sent, "Push")
        time.sleep(4)
        assert not stack.responses(sent.session_id, sent.command_id)
    finally:
        stack.git_mode(site.client_id, "ok")

    answer = stack.response(sent)
    assert answer["success"] is True, answer
    subjects = session.subjects()
    assert any(down in subject for subject in subjects)
    assert any(refused in subject for subject in subjects), "the next command pushes the refused commits too"


def test_a_model_key_that_is_refused(site: Site, stack: Stack) -> None:
    """Tests one kind of refusal. test_agent_model tests all kinds, with the same Claude Code.

    In a session of its own: the conversation keeps the instruction, and the model refuses every request that has the mark.
    """
    mark = f"refused {uuid.uuid4().hex[:8]}"
    stack.fault(mark, status=401, times=1000)

    sent, answer = site.run(f'Add a new heading saying "{mark}" to the homepage')

    assert answer["status"] == "failed", answer
    assert answer["error"]["code"] == "model_rejected"
    assert answer["error"]["remedy"]
    assert "Salvage" in site.states(sent)


def test_a_container_that_dies_during_the_agent_and_the_next_one_during_the_push(site: Site, stack: Stack) -> None:
    mark = f"Survived Agent {uuid.uuid4().hex[:6]}"
    stack.fault(mark, delaySeconds=4, times=1)
    first = site.send(f'Add a new heading saying "{mark}" to the homepage')
    _dies_during("Agent", first, mark, site, stack)

    mark = f"Survived Push {uuid.uuid4().hex[:6]}"
    with site.hook("pre-receive", "sleep 1\n"):
        text = f'Add a new heading saying "{mark}" to the homepage'
        second = site.send(text, session=first.session_id, thread=first.thread)
        _dies_during("Push", second, mark, site, stack)


def _dies_during(step: str, sent: Sent, mark: str, site: Site, stack: Stack) -> None:
    site.wait_state(sent, step)
    until(f"the {step} container runs", lambda: stack.task_processes(sent), seconds=30, every=0.02)

    stack.kill_workspace(sent)

    answer = stack.response(sent)
    assert answer["success"] is True, answer
    assert mark in site.page()
    assert any(mark in s for s in site.subjects(f"thread-{sent.thread}"))
    assert len(stack.responses(sent.session_id, sent.command_id)) == 1


def test_a_container_that_dies_while_it_publishes(site: Site, stack: Stack) -> None:
    pile = fresh("pile").replace(" ", "-")
    many = f"mkdir -p public/{pile} && for i in $(seq 1 1200); do echo $i > public/{pile}/$i.txt; done"
    sent = site.send(f"Run the command: `{many}`")
    until("the publish is under way", lambda: site.has_more_than(20, f"{pile}/"), seconds=120, every=0.02)

    stack.kill_workspace(sent)

    left = site.manifest()
    assert (left.lease_owner, left.reconcile, left.complete) == (sent.session_id, True, False), "it was over already"
    # The session's next workspace takes the lease over without waiting: the dead workspace had the same lease owner.
    answer = stack.response(sent, seconds=LEASE_SECONDS)
    assert answer["success"] and answer["deploySuccess"], answer
    done = site.manifest()
    assert (done.commit, done.complete, done.reconcile, done.lease_owner) == (answer["commit"], True, False, None)
    assert {key: entry.etag for key, entry in done.files.items()} == {
        key: etag.strip('"') for key, etag in site.keys().items()
    }
    assert len([key for key in done.files if key.startswith(f"{pile}/")]) == 1200
    assert len(stack.responses(sent.session_id, sent.command_id)) == 1


def test_a_damaged_manifest_does_not_break_the_run(session: OpenSession, stack: Stack) -> None:
    site, mark = session.site, f"No manifest {uuid.uuid4().hex[:6]}"
    stack.client("s3").put_object(
        Bucket=stack.info["artifacts_bucket"], Key=f"{site.client_id}/site/manifest.json.gz", Body=b"{not json"
    )

    sent, answer = session.run(f'Add a new heading saying "{mark}" to the homepage')

    # A damaged manifest must not lose the edit. The next publish replaces the manifest.
    assert answer["status"] == "succeeded", answer
    assert answer["deploySuccess"] is True, answer
    assert answer["pushed"] is True
    assert mark in site.page()
    assert site.command(sent)["build"]["deploySuccess"] is True
