"""Several sessions of a site, and several sites."""

import os

from tests.support.e2e.open_session import OpenSession
from tests.support.e2e.sites import OTHER
from tests.support.e2e.stack_driver import Site, Stack


def test_switching_between_two_sessions(session: OpenSession) -> None:
    site = session.site
    b, answer = site.run('Add a new heading saying "Session B one" to the homepage')
    assert answer["success"], answer
    page = site.page()
    assert "Session B one" in page
    assert session.heading not in page, "session B was built on session A's branch"

    _, answer = session.run('Add a new heading saying "Session A two" to the homepage')
    assert answer["success"], answer
    page = site.page()
    assert session.heading in page
    assert "Session A two" in page
    assert "Session B one" not in page

    assert len([subject for subject in session.subjects() if "Session A two" in subject]) == 1
    subjects = site.subjects(f"thread-{b.thread}")
    assert len([subject for subject in subjects if "Session B" in subject]) == 1
    assert not [subject for subject in subjects if "Session A" in subject or session.heading in subject]


def test_two_sessions_of_a_client_and_another_client_with_the_same_ids_at_the_same_time(
    site: Site, stack: Stack
) -> None:
    other, texts = stack.site(OTHER), ["quiet", "calm"]
    sent = [site.send(f'Add a paragraph "{text}" to the homepage') for text in texts]
    # The second client happens to have the first one's ids.
    same = {"session": sent[0].session_id, "thread": sent[0].thread, "command": sent[0].command_id}
    theirs = other.send('Add a new heading saying "For the second client" to the homepage', **same)

    their_answer = other.response(theirs)
    their_page = other.page()
    answers = [site.response(one) for one in sent]

    # The sessions do not interrupt each other, and the site is exactly one of them.
    assert all(answer["success"] and answer["deploySuccess"] for answer in answers), answers
    page, manifest = site.page(), site.manifest()
    [live] = [number for number, text in enumerate(texts) if text in page]
    assert manifest.commit == answers[live]["commit"]
    assert (manifest.complete, manifest.lease_owner) == (True, None)
    assert {key: entry.etag for key, entry in manifest.files.items()} == {
        key: etag.strip('"') for key, etag in site.keys().items()
    }
    # The clients share nothing.
    assert their_answer["success"], their_answer
    assert their_answer["siteUrl"] != answers[0]["siteUrl"]
    assert "For the second client" in their_page
    assert "For the second client" not in page
    assert not any(text in their_page for text in texts)
    assert not other.has_branch(f"thread-{sent[1].thread}")
    # The same ids are two sessions, with a run, records and a branch each.
    assert len(stack.responses(theirs.session_id, theirs.command_id)) == 2
    assert site.execution_arn(sent[0]) != other.execution_arn(theirs)
    assert texts[0] in site.command(sent[0])["instruction"]
    assert "second client" in other.command(theirs)["instruction"]
    assert "second client" not in site.git("show", f"thread-{theirs.thread}:src/pages/index.astro")
    assert texts[0] not in other.git("show", f"thread-{theirs.thread}:src/pages/index.astro")
    assert os.path.realpath(site.bare) != os.path.realpath(other.bare)


def test_a_session_keeps_its_thread(session: OpenSession) -> None:
    first = session.first

    _, answer = session.site.run("What can you do?", session=first.session_id, thread="another-thread")

    assert answer["status"] == "rejected"
    assert answer["error"]["code"] == "session_mismatch"


def test_a_prepared_session_has_its_workspace_before_the_first_instruction(site: Site) -> None:
    before = site.keys()
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
        'Add a new heading saying "Prepared" to the homepage', session=opened.session_id, thread=opened.thread
    )
    answer = site.response(first)
    assert answer["success"], answer
    assert "Prepared" in site.page()
    assert site.states(first)[:2] == ["IsPreparation", "Agent"]
    assert "AgentInNewWorkspace" not in site.states(first)
