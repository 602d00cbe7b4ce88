"""Several sessions of a site, and several sites."""

import os

from tests.support.e2e.sites import OTHER
from tests.support.e2e.stack_driver import Site, Stack


def test_switching_between_two_sessions(site: Site) -> None:
    a, answer = site.run('Add a new heading saying "Session A one" to the homepage')
    assert answer["success"], answer
    assert "Session A one" in site.page()

    b, answer = site.run('Add a new heading saying "Session B one" to the homepage')
    assert answer["success"], answer
    page = site.page()
    assert "Session B one" in page
    assert "Session A one" not in page, "session B was built on session A's branch"

    _, answer = site.run(
        'Add a new heading saying "Session A two" to the homepage', session=a.session_id, thread=a.thread
    )
    assert answer["success"], answer
    page = site.page()
    assert "Session A one" in page
    assert "Session A two" in page
    assert "Session B one" not in page

    assert len([s for s in site.subjects(f"thread-{a.thread}") if "Session A" in s]) == 2
    assert len([s for s in site.subjects(f"thread-{b.thread}") if "Session B" in s]) == 1
    assert not [s for s in site.subjects(f"thread-{b.thread}") if "Session A" in s]


def test_two_clients_in_parallel(site: Site, stack: Stack) -> None:
    other = stack.site(OTHER)
    # This is another session of the client. It must not publish after the session whose page the test checks.
    _, ready = other.run('Add a paragraph "warm up" to the homepage')
    assert ready["success"], ready

    mine = site.send('Add a new heading saying "For the first client" to the homepage')
    theirs = other.send('Add a new heading saying "For the second client" to the homepage')
    my_answer, their_answer = stack.response(mine), stack.response(theirs)

    assert my_answer["success"], my_answer
    assert their_answer["success"], their_answer
    assert my_answer["siteUrl"] != their_answer["siteUrl"]
    assert "For the first client" in site.page()
    assert "For the second client" not in site.page()
    assert "For the second client" in other.page()
    assert not other.has_branch(f"thread-{mine.thread}")
    assert os.path.realpath(site.bare) != os.path.realpath(other.bare)


def test_a_session_keeps_its_client_and_thread(site: Site) -> None:
    sent, answer = site.run("What can you do?")
    assert answer["success"], answer

    _, answer = site.run("What can you do?", session=sent.session_id, thread="another-thread")

    assert answer["status"] == "rejected"
    assert answer["error"]["code"] == "session_mismatch"
