"""Git finds the ids in a commit message, whatever the summary says."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.lambdas.composed_message import make


def test_git_finds_the_trailers() -> None:
    message = make('-n "quoted" $(id) 🥐\nsecond line', summary="Key: value\n\nSession-Id: forged")
    done = subprocess.run(
        ["git", "interpret-trailers", "--parse"], input=message, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["Session-Id: s-1", "Command-Id: c-1"]


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
