"""What the command line makes up for a user."""

import pytest
from pydantic import TypeAdapter

from contracts.messages import ThreadId
from local.client import thread_of


@pytest.mark.parametrize("session", ["s1", "user@example.com", "a..b", "a:b", "s" * 128, "x.lock", "=", "a-b", "a+b"])
def test_a_thread_made_up_for_a_session_is_accepted(session: str) -> None:
    assert TypeAdapter(ThreadId).validate_python(thread_of(session)) == thread_of(session)


def test_no_two_sessions_share_a_thread() -> None:
    sessions = ["a-b", "a:b", "a+b", "a..b", "a.b", "s" * 128, "s" * 127]
    assert len({thread_of(session) for session in sessions}) == len(sessions)
