"""The commit message's text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.commit_message.compose import COLUMNS, compose, width
from lambdas.commit_message.handler import handler
from sitewright.contracts.records import CommandRecord
from sitewright.tables.commands import item
from tests.support.dynamodb_double import StoredTable
from tests.support.lambdas.composed_message import AT, make
from tests.support.lambdas.lambda_context import CONTEXT
from tests.support.lambdas.platform_tables import conflicting, use_double


def test_a_short_instruction_stands_whole_in_the_subject() -> None:
    assert make("Add a heading").splitlines()[0] == "[2025-10-09] Add a heading"


def test_a_key_in_the_instruction_or_the_summary_is_not_in_the_message() -> None:
    key = "ghp_" + "aB3" * 12
    known = {"files": [], "files_count": 0, "session_id": "s", "command_id": "c", "accepted_at": AT}
    message = compose(instruction=f"Use {key} for the feed", summary=f"I used\n{key}.", **known)  # type: ignore[arg-type]
    assert message.splitlines()[0] == "[2025-10-09] Use ghp_*** for the feed"
    assert "I used ghp_***." in message and key not in message


def test_a_long_instruction_is_cut_at_a_word() -> None:
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
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400))
def test_any_instruction_gives_one_subject_of_at_most_72_columns(instruction: str) -> None:
    lines = make(instruction).split("\n")
    assert lines[0].startswith("[2025-10-09]")
    assert width(lines[0]) <= COLUMNS
    assert lines[1] == ""


def test_a_long_summary_is_cut() -> None:
    assert len(make("x", summary="ü " * 16_000).encode()) < 16_000


# The handler


@pytest.fixture
def commands(aws: pytest.MonkeyPatch) -> StoredTable:
    table = StoredTable(use_double(aws), "commands")
    record = CommandRecord(
        client_id="amelia", session_id="s", command_id="c", instruction="Add a heading", accepted_at=AT
    )
    table.put(item(record))
    return table


REQUEST = {
    "sessionId": "s",
    "commandId": "c",
    "clientId": "amelia",
    "filesChanged": ["a"],
    "filesChangedCount": 1,
    "summary": "Half a pair: \ud800",
}


def test_the_handler_keeps_the_message_for_the_build(commands: StoredTable) -> None:
    first = handler(REQUEST, CONTEXT)
    assert first == {"subject": "[2025-10-09] Add a heading"}
    kept = commands.read("amelia#s", "c")["commitMessage"]
    assert kept.startswith(first["subject"] + "\n\nHalf a pair:")
    assert handler(REQUEST, CONTEXT) == first
    assert commands.read("amelia#s", "c")["commitMessage"] == kept


def test_the_handler_names_an_unknown_command(commands: StoredTable) -> None:
    with pytest.raises(LookupError, match="nobody"):
        handler({**REQUEST, "commandId": "nobody"}, CONTEXT)


def test_the_handler_waits_for_a_transaction_on_its_command(commands: StoredTable) -> None:
    commands.dynamodb.interfere = conflicting(2)
    handler(REQUEST, CONTEXT)
    assert "commitMessage" in commands.read("amelia#s", "c")
