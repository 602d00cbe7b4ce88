"""The commit message's text."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.commit_message.compose import COLUMNS, compose, width
from lambdas.commit_message.handler import handler
from sitewright.contracts.records import CommandRecord
from tests.support.lambdas.composed_message import AT, make
from tests.support.lambdas.platform_tables import item, make_table


def test_a_short_instruction_stands_whole_in_the_subject() -> None:
    assert make("Add a heading").splitlines()[0] == "[2025-10-09] Add a heading"


def test_a_long_one_is_cut_at_a_word() -> None:
    subject = make("Add a new heading to the homepage and then change every other page as well").splitlines()[0]
    assert subject == "[2025-10-09] Add a new heading to the homepage and then change every…"
    assert width(subject) <= COLUMNS


def test_a_repair_has_a_subject_of_its_own() -> None:
    known = {"summary": "", "files": [], "files_count": 0, "session_id": "s", "command_id": "c", "accepted_at": AT}
    first = compose(instruction="Add a heading", repairs=1, **known)  # type: ignore[arg-type]
    assert first.splitlines()[0] == "[2025-10-09] Repair the build: Add a heading"
    later = compose(instruction="Add a heading " * 9, repairs=2, **known).splitlines()[0]  # type: ignore[arg-type]
    assert later.startswith("[2025-10-09] Repair the build (2): Add a heading") and width(later) <= COLUMNS


def test_many_files_are_counted_not_listed() -> None:
    message = make("x", files=[f"f{n}" for n in range(60)])
    assert "Files changed (60):" in message
    assert "… and 10 more" in message


@settings(max_examples=150, deadline=None)
@given(st.text(min_size=1, max_size=400))
def test_any_instruction_gives_one_subject_of_at_most_72_columns(instruction: str) -> None:
    lines = make(instruction).split("\n")
    assert lines[0].startswith("[2025-10-09]")
    assert width(lines[0]) <= COLUMNS
    assert lines[1] == ""


def test_a_long_summary_is_cut() -> None:
    assert len(make("x", summary="ü " * 16_000).encode()) < 16_000


# The handler


@pytest.fixture
def commands(aws: pytest.MonkeyPatch) -> Any:
    aws.setenv("COMMANDS_TABLE", "commands")
    table = make_table("commands", "sessionId", "commandId")
    record = CommandRecord(session_id="s", command_id="c", instruction="Add a heading", accepted_at=AT)
    table.put_item(Item=record.to_item())
    return table


REQUEST = {
    "sessionId": "s",
    "commandId": "c",
    "clientId": "amelia",
    "filesChanged": ["a"],
    "filesChangedCount": 1,
    "summary": "Half a pair: \ud800",
}


def test_the_handler_keeps_the_message_for_the_build(commands: Any) -> None:
    first = handler(REQUEST, None)  # type: ignore[arg-type]
    assert first["subject"] == "[2025-10-09] Add a heading"
    assert item(commands, sessionId="s", commandId="c")["commitMessage"] == first["message"]
    assert handler(REQUEST, None) == first  # type: ignore[arg-type]


def test_the_handler_names_a_command_that_is_not_there(commands: Any) -> None:
    with pytest.raises(LookupError, match="nobody"):
        handler({**REQUEST, "commandId": "nobody"}, None)  # type: ignore[arg-type]


def test_the_handler_waits_for_a_transaction_on_its_command(commands: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    update, left = commands.update_item, [1, 1]

    class Busy:
        get_item = commands.get_item

        def update_item(self, **request: Any) -> Any:
            if left:
                left.pop()
                raise ClientError({"Error": {"Code": "TransactionConflictException", "Message": ""}}, "UpdateItem")
            return update(**request)

    monkeypatch.setattr("lambdas.commit_message.handler.table", lambda _: Busy())
    handler(REQUEST, None)  # type: ignore[arg-type]
    assert "commitMessage" in item(commands, sessionId="s", commandId="c")
