"""What the command line makes up for a user."""

import pytest
from pydantic import TypeAdapter

from sitewright.contracts.messages import ThreadId
from sitewright.local.errors import BadSetting
from sitewright.local.stack_client import StackClient, chat_thread_of


@pytest.mark.parametrize("session", ["s1", "user@example.com", "a..b", "a:b", "s" * 128, "x.lock", "=", "a-b", "a+b"])
def test_a_thread_made_up_for_a_session_is_accepted(session: str) -> None:
    assert TypeAdapter(ThreadId).validate_python(chat_thread_of(session)) == chat_thread_of(session)


def test_no_two_sessions_share_a_thread() -> None:
    sessions = ["a-b", "a:b", "a+b", "a..b", "a.b", "s" * 128, "s" * 127]
    assert len({chat_thread_of(session) for session in sessions}) == len(sessions)


@pytest.mark.parametrize("wrong", ["a b", "séance", "s" * 200, "-rf", ""])
@pytest.mark.parametrize("option", ["--session", "--command-id"])
def test_an_id_without_an_answer_is_refused_before_it_is_sent(option: str, wrong: str) -> None:
    info = {"endpoint_url": "http://127.0.0.1:9", "region": "us-west-2", "sites": [{"client_id": "amelia"}]}
    ids = (wrong, None, None) if option == "--session" else (None, None, wrong)
    with pytest.raises(BadSetting, match=option):
        StackClient(info).send("Say hi", "amelia", *ids)


def test_only_a_refusal_of_a_publish_can_be_allowed() -> None:
    info = {"endpoint_url": "http://127.0.0.1:9", "region": "us-west-2", "sites": [{"client_id": "amelia"}]}
    with pytest.raises(BadSetting, match="--allow 'build_failed'") as refusal:
        StackClient(info).send("Say hi", "amelia", None, allow=["pages_missing", "build_failed"])
    assert "lfs_pointers" in refusal.value.remedy
