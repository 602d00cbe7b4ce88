"""Failures end with a clear response, and the edits are kept."""

import uuid

import pytest

from sitewright.publishing.manifest import LEASE_SECONDS
from tests.support.e2e.stack_driver import Site, Stack, until


def test_a_build_that_breaks_is_repaired(astro_site: Site, stack: Stack) -> None:
    first, answer = astro_site.run('Add a new heading saying "Before the repair" to the homepage')
    assert answer["success"], answer

    sent, answer = astro_site.run(
        "Introduce a syntax error on the homepage", session=first.session_id, thread=first.thread
    )

    assert (answer["status"], answer["error"]) == ("succeeded", None), answer
    assert answer["buildSuccess"] is True
    assert answer["deploySuccess"] is True
    assert "failed at first and was repaired" in answer["summary"]
    tasks = [state for state in astro_site.states(sent) if state in {"Agent", "Build", "Repair", "RecordSync", "Push"}]
    assert tasks == ["Agent", "Build", "Repair", "Build", "RecordSync", "Push"]
    record = astro_site.command(sent)
    assert record["repair"]["changed"] is True
    assert answer["costUsd"] == pytest.approx(float(record["agent"]["costUsd"]) + float(record["repair"]["costUsd"]))
    repair, broken = astro_site.subjects(f"thread-{sent.thread}")[:2]
    assert "Repair the build: Introduce a syntax error" in repair
    assert "] Introduce a syntax error" in broken
    assert "this is not closed" not in astro_site.page()
    assert "Before the repair" in astro_site.page()


def test_a_build_that_breaks_for_good_leaves_the_site_as_it_was(astro_site: Site) -> None:
    first, answer = astro_site.run('Add a new heading saying "Last good one" to the homepage')
    assert answer["success"], answer
    keys = astro_site.keys()

    sent, answer = astro_site.run(
        "Introduce a stubborn syntax error on the homepage", session=first.session_id, thread=first.thread
    )

    assert answer["status"] == "succeeded", answer
    assert answer["buildSuccess"] is False
    assert answer["deploySuccess"] is not True
    assert answer["error"]["code"] == "build_failed"
    assert "index.astro" in answer["error"]["message"]
    assert answer["pushed"] is True
    assert astro_site.keys() == keys, "a failed build touched the site"
    assert "Last good one" in astro_site.page()
    assert astro_site.git("rev-parse", f"thread-{sent.thread}") == answer["commit"]
    assert "RecordSync" not in astro_site.states(sent)
    assert astro_site.states(sent).count("Repair") == 1
    assert "its repair found nothing to change" in answer["summary"]
    # The session's next command does not get the blame for an older fault.
    later, answer = astro_site.run(
        'Add a new heading saying "Still broken" to the homepage', session=sent.session_id, thread=sent.thread
    )
    assert answer["buildSuccess"] is False
    assert "Repair" not in astro_site.states(later)


def test_a_commit_that_is_live_is_not_built_again(site: Site) -> None:
    first, answer = site.run('Add a new heading saying "Live already" to the homepage')
    assert answer["success"], answer
    live = site.command(first)["build"]["deploymentId"]

    sent, answer = site.run("What is new?", session=first.session_id, thread=first.thread)

    assert (answer["buildSuccess"], answer["deploySuccess"], answer["error"]) == (True, True, None), answer
    build = site.command(sent)["build"]
    assert (build["skipped"], build["deploymentId"]) == (True, live)
    assert "build" not in build["seconds"]
    assert "Live already" in site.page()


def test_a_bucket_that_refuses_writes(site: Site, stack: Stack) -> None:
    first, answer = site.run('Add a new heading saying "Bucket was fine" to the homepage')
    assert answer["success"], answer
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
        sent, answer = site.run(
            'Add a new heading saying "Bucket is gone" to the homepage', session=first.session_id, thread=first.thread
        )
    finally:
        s3.create_bucket(Bucket=site.bucket, CreateBucketConfiguration={"LocationConstraint": stack.info["region"]})
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

    _, answer = site.run(
        'Add a new heading saying "Bucket is back" to the homepage', session=sent.session_id, thread=sent.thread
    )
    assert answer["deploySuccess"] is True, answer
    for text in ("Bucket was fine", "Bucket is gone", "Bucket is back"):
        assert text in site.page()


def test_the_remote_moved_on(site: Site) -> None:
    first, answer = site.run('Add a new heading saying "Ours" to the homepage')
    assert answer["success"], answer
    branch = f"thread-{first.thread}"
    theirs = site.commit_elsewhere(branch, "NOTES.md", "Somebody else was here.\n")

    sent, answer = site.run(
        'Add a new heading saying "Ours again" to the homepage', session=first.session_id, thread=first.thread
    )

    assert answer["success"] is True, answer
    assert answer["commit"] == site.git("rev-parse", branch)
    assert site.command(sent)["push"]["rebased"] is True
    site.git("merge-base", "--is-ancestor", theirs, branch)
    assert "Ours again" in site.subjects(branch)[0]
    # The session goes on from there.
    _, answer = site.run(
        'Add a new heading saying "And again" to the homepage', session=first.session_id, thread=first.thread
    )
    assert answer["success"] is True, answer
    assert len(site.subjects(branch)) == len(set(site.subjects(branch)))


def test_a_conflict_goes_to_a_rescue_branch(site: Site) -> None:
    first, answer = site.run('Add a new heading saying "Conflict base" to the homepage')
    assert answer["success"], answer
    branch = f"thread-{first.thread}"
    page = answer["filesChanged"][0]
    theirs = site.commit_elsewhere(branch, page, "Somebody replaced the whole page.\n")

    sent, answer = site.run(
        'Add a new heading saying "Conflict ours" to the homepage', session=first.session_id, thread=first.thread
    )

    assert answer["status"] == "succeeded", answer
    assert answer["error"]["code"] == "push_conflict"
    rescue = f"rescue/{sent.command_id}"
    assert rescue in answer["error"]["message"]
    assert site.git("rev-parse", branch) == theirs, "the remote branch was forced"
    assert site.git("rev-parse", rescue) == answer["commit"]
    assert "Conflict ours" in site.branch_file(rescue, page)
    assert "Conflict ours" in site.page()


def test_a_refused_token(site: Site, stack: Stack) -> None:
    first, answer = site.run('Add a new heading saying "Token was fine" to the homepage')
    assert answer["success"], answer
    stack.git_mode(site.client_id, "reject-auth")
    try:
        sent, answer = site.run(
            'Add a new heading saying "Token refused" to the homepage', session=first.session_id, thread=first.thread
        )
    finally:
        stack.git_mode(site.client_id, "ok")

    assert answer["status"] == "failed", answer
    assert answer["error"]["code"] == "git_auth_failed"
    assert answer["pushed"] is False
    assert answer["deploySuccess"] is True
    assert "Token refused" in site.page()
    # Nothing is lost: the next command pushes these commits too.
    _, answer = site.run("What is new?", session=sent.session_id, thread=sent.thread)
    assert answer["success"] is True, answer
    assert any("Token refused" in s for s in site.subjects(f"thread-{sent.thread}"))


def test_a_git_host_that_is_down_for_a_while(site: Site, stack: Stack) -> None:
    first, answer = site.run('Add a new heading saying "Host is up" to the homepage')
    assert answer["success"], answer
    sent = site.send(
        'Add a new heading saying "Host was down" to the homepage', session=first.session_id, thread=first.thread
    )
    site.wait_state(sent, "Build")
    stack.git_mode(site.client_id, "down")
    try:
        site.wait_state(sent, "Push")
        import time

        time.sleep(4)
        assert not stack.responses(sent.session_id, sent.command_id)
    finally:
        stack.git_mode(site.client_id, "ok")

    answer = stack.response(sent)
    assert answer["success"] is True, answer
    assert any("Host was down" in s for s in site.subjects(f"thread-{sent.thread}"))


def test_a_model_that_stumbles_once(site: Site, stack: Stack) -> None:
    """Tests one kind of refusal. test_agent_model tests all kinds, with the same Claude Code."""
    mark = f"stumble {uuid.uuid4().hex[:8]}"
    stack.fault(mark, status=529, times=1)

    _, answer = site.run(f'Add a new heading saying "{mark}" to the homepage')

    assert answer["success"] is True, answer
    assert mark in site.page()


def test_a_model_that_stays_down(site: Site, stack: Stack) -> None:
    mark = f"outage {uuid.uuid4().hex[:8]}"
    stack.fault(mark, status=529, times=1000)

    sent, answer = site.run(f'Add a new heading saying "{mark}" to the homepage', seconds=180)

    assert answer["status"] == "failed", answer
    assert answer["error"]["code"] == "model_unavailable"
    assert answer["error"]["remedy"]
    assert "Salvage" in site.states(sent)


def test_a_model_key_that_is_refused(site: Site, stack: Stack) -> None:
    mark = f"refused {uuid.uuid4().hex[:8]}"
    stack.fault(mark, status=401, times=1000)

    _, answer = site.run(f'Add a new heading saying "{mark}" to the homepage')

    assert answer["status"] == "failed", answer
    assert answer["error"]["code"] == "model_rejected"


def test_a_container_that_dies_during_the_agent(site: Site, stack: Stack) -> None:
    mark = f"Survived Agent {uuid.uuid4().hex[:6]}"
    stack.fault(mark, delaySeconds=4, times=1)
    _dies_during("Agent", mark, site, stack)


def test_a_container_that_dies_during_the_build(astro_site: Site, stack: Stack) -> None:
    _dies_during("Build", f"Survived Build {uuid.uuid4().hex[:6]}", astro_site, stack)


def test_a_container_that_dies_during_the_push(site: Site, stack: Stack) -> None:
    with site.hook("pre-receive", "sleep 1\n"):
        _dies_during("Push", f"Survived Push {uuid.uuid4().hex[:6]}", site, stack)


def _dies_during(step: str, mark: str, site: Site, stack: Stack) -> None:
    sent = site.send(f'Add a new heading saying "{mark}" to the homepage')
    site.wait_state(sent, step)
    until(f"the {step} container runs", lambda: stack.task_processes(sent), seconds=30, every=0.02)

    stack.kill_workspace(sent)

    answer = stack.response(sent)
    assert answer["success"] is True, answer
    assert mark in site.page()
    assert any(mark in s for s in site.subjects(f"thread-{sent.thread}"))
    assert len(stack.responses(sent.session_id, sent.command_id)) == 1


def test_a_container_that_dies_while_it_publishes(site: Site, stack: Stack) -> None:
    many = "mkdir -p public/pile && for i in $(seq 1 2000); do echo $i > public/pile/$i.txt; done"
    sent = site.send(f"Run the command: `{many}`")
    until("the publish is under way", lambda: site.has_more_than(20, "pile/"), seconds=120, every=0.02)

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
    assert len([key for key in done.files if key.startswith("pile/")]) == 2000
    assert len(stack.responses(sent.session_id, sent.command_id)) == 1


def test_a_sync_check_that_fails_does_not_break_the_run(site: Site, stack: Stack) -> None:
    """RecordSync's Lambda throttled to zero stands for any failure of it."""
    functions = stack.client("lambda")
    names = [f["FunctionName"] for f in functions.list_functions()["Functions"] if "RecordSync" in f["FunctionName"]]
    assert len(names) == 1, names
    mark = f"No books {uuid.uuid4().hex[:6]}"
    stack.client("s3").put_object(
        Bucket=stack.info["artifacts_bucket"], Key=f"{site.client_id}/site/manifest.json.gz", Body=b"{not json"
    )

    sent, answer = site.run(f'Add a new heading saying "{mark}" to the homepage')

    # A damaged manifest must not lose the edit. The next publish replaces the manifest.
    assert answer["status"] == "succeeded", answer
    assert answer["deploySuccess"] is True, answer
    assert answer["pushed"] is True
    assert mark in site.page()
    assert site.command(sent)["build"]["deploySuccess"] is True
