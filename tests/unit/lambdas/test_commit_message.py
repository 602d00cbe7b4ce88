"""The commit message's text."""

import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.commit_message.compose import COLUMNS, compose, width

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
