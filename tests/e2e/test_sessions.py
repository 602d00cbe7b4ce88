"""Several sessions of a site, and several sites."""

import os

from tests.support.e2e.open_session import OpenSession
from tests.support.e2e.sites import OTHER
from tests.support.e2e.stack_driver import Site, Stack
from tests.support.e2e.words import fresh


def test_sessions_are_conversations_about_one_site(session: OpenSession) -> None:
    site, closed, opened, later = session.site, *map(fresh, ("Closed on Monday", "Open on Sunday", "Session A two"))
    _, answer = session.run(f'Add a new heading saying "{closed}" to the homepage')
    assert answer["success"] and closed in site.page(), answer
    live, keys = site.manifest(), site.keys()

    # A question in a new session publishes nothing.
    asked, answer = site.run("What are the opening hours?")
    assert (answer["success"], answer["buildSuccess"], answer["deploySuccess"]) == (True, True, True), answer
    assert (answer["filesChangedCount"], answer["error"]) == (0, None)
    assert (site.manifest(), site.keys()) == (live, keys)
    assert "RecordSync" not in site.states(asked)

    # An edit there stands on what the other session made live.
    edited, answer = site.run(
        f'Add a new heading saying "{opened}" to the about page', session=asked.session_id, thread=asked.thread
    )
    assert answer["success"] and answer["deploySuccess"], answer
    assert answer["filesChanged"] == ["src/pages/about.astro"]
    assert closed in site.page() and opened in site.page("/about.html")

    # The older session takes in the newer one's work.
    _, answer = session.run(f'Add a new heading saying "{later}" to the homepage')
    assert answer["success"] and answer["deploySuccess"], answer
    page = site.page()
    assert all(text in page for text in (session.heading, closed, later))
    assert opened in site.page("/about.html")
    assert site.git("merge-base", "--is-ancestor", f"thread-{edited.thread}", session.branch) == ""


def test_two_sessions_of_a_client_and_another_client_with_the_same_ids_at_the_same_time(
    site: Site, stack: Stack
) -> None:
    other, texts, wish = stack.site(OTHER), [fresh("quiet"), fresh("calm")], fresh("For the second client")
    sent = [site.send(f'Add a paragraph "{text}" to the homepage') for text in texts]
    # The second client happens to have the first one's ids.
    same = {"session": sent[0].session_id, "thread": sent[0].thread, "command": sent[0].command_id}
    theirs = other.send(f'Add a new heading saying "{wish}" to the homepage', **same)

    their_answer = other.response(theirs)
    their_page = other.page()
    answers = [site.response(one) for one in sent]

    # The sessions do not interrupt each other. They edit the same place: the second one combines both.
    assert all(answer["success"] and answer["deploySuccess"] for answer in answers), answers
    page, manifest = site.page(), site.manifest()
    assert all(text in page for text in texts) and "<<<<<<<" not in page
    assert manifest.commit in {answer["commit"] for answer in answers}
    assert (manifest.complete, manifest.lease_owner) == (True, None)
    assert {key: entry.etag for key, entry in manifest.files.items()} == {
        key: etag.strip('"') for key, etag in site.keys().items()
    }
    # The clients share nothing.
    assert their_answer["success"], their_answer
    assert their_answer["siteUrl"] != answers[0]["siteUrl"]
    assert wish in their_page
    assert wish not in page
    assert not any(text in their_page for text in texts)
    assert not other.has_branch(f"thread-{sent[1].thread}")
    # The same ids are two sessions, with a run, records and a branch each.
    assert len(stack.responses(theirs.session_id, theirs.command_id)) == 2
    assert site.execution_arn(sent[0]) != other.execution_arn(theirs)
    assert texts[0] in site.command(sent[0])["instruction"]
    assert wish in other.command(theirs)["instruction"]
    assert wish not in site.git("show", f"thread-{theirs.thread}:src/pages/index.astro")
    assert texts[0] not in other.git("show", f"thread-{theirs.thread}:src/pages/index.astro")
    assert os.path.realpath(site.bare) != os.path.realpath(other.bare)


def test_a_session_keeps_its_thread(session: OpenSession) -> None:
    first = session.first

    _, answer = session.site.run("What can you do?", session=first.session_id, thread="another-thread")

    assert answer["status"] == "rejected"
    assert answer["error"]["code"] == "session_mismatch"


def test_a_prepared_session_has_its_workspace_before_the_first_instruction(site: Site) -> None:
    before, heading = site.keys(), fresh("Prepared")
    opened = site.prepare()
    answer = site.response(opened)
    assert (answer["status"], answer["buildSuccess"], answer["summary"]) == (
        "succeeded",
        True,
        "The workspace is ready.",
    )
    assert site.keys() == before, "nothing is published"
    assert not site.has_branch(f"thread-{opened.thread}"), "nothing is pushed"

    first = site.send(
        f'Add a new heading saying "{heading}" to the homepage', session=opened.session_id, thread=opened.thread
    )
    answer = site.response(first)
    assert answer["success"], answer
    assert heading in site.page()
    assert site.states(first)[:2] == ["IsPreparation", "Agent"]
    assert "AgentInNewWorkspace" not in site.states(first)
