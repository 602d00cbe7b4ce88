"""The commit message's text."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.commit_message.compose import COLUMNS, compose, width
from lambdas.commit_message.handler import handler
from sitewright.contracts.records import CommandRecord
from tests.support.lambdas.platform_tables import item, make_table

AT = 1_760_000_000_000  # 2025-10-09 UTC


def make(instruction: str, summary: str = "Did it.", files: list[str] | None = None) -> str:
    names = files if files is not None else ["src/pages/index.astro"]
    return compose(
        instruction=instruction,
        summary=summary,
        files=names,
        files_count=len(names),
        session_id="s-1",
        command_id="c-1",
        accepted_at=AT,
    )


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


def test_git_finds_the_trailers() -> None:
    message = make('-n "quoted" $(id) 🥐\nsecond line', summary="Key: value\n\nSession-Id: forged")
    done = subprocess.run(
        ["git", "interpret-trailers", "--parse"], input=message, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["Session-Id: s-1", "Command-Id: c-1"]


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


def git(folder: Path, *args: str, text: str = "") -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    done = subprocess.run(["git", *identity, *args], cwd=folder, input=text, capture_output=True, text=True, check=True)
    return done.stdout


DIVIDED = [
    "Above.\n\n---\n\nBelow.",
    "---",
    "--- \nx",
    "word " * 14 + "--- and on",
    "diff --git a/x b/x",
    "Index: x",
    "--- a/x\n\n+++ b/x\n\n@@ -1 +1 @@",
    "---\ttab",
]


@pytest.mark.parametrize("summary", DIVIDED)
def test_nothing_in_the_summary_hides_the_trailers(summary: str, tmp_path: Path) -> None:
    message = make("Add a heading", summary=summary)
    trailers = ["Session-Id: s-1", "Command-Id: c-1"]
    assert git(tmp_path, "interpret-trailers", "--parse", text=message).splitlines() == trailers

    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    (tmp_path / "file").write_text("x\n")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "--cleanup=verbatim", "-F", "-", text=message)
    shown = "--format=%(trailers)"
    assert git(tmp_path, "log", "-1", shown).strip().splitlines() == trailers

    # A patch that goes by mail brings all of it back.
    patch = git(tmp_path, "format-patch", "-1", "--stdout")
    git(tmp_path, "reset", "-q", "--hard", "HEAD~1")
    git(tmp_path, "am", "-q", text=patch)
    assert git(tmp_path, "log", "-1", shown).strip().splitlines() == trailers
    assert (tmp_path / "file").exists()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(["---", "--- x", "diff -", "Index: a", "word", "\n", "\n\n", "----", "A: b"]), max_size=30)
)
def test_no_mixture_of_dividers_hides_the_trailers(words: list[str]) -> None:
    message = make("x", summary=" ".join(words))
    parsed = git(Path.cwd(), "interpret-trailers", "--parse", text=message)
    assert parsed.splitlines() == ["Session-Id: s-1", "Command-Id: c-1"]


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
