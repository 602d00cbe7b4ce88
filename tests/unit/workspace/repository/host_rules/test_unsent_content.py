"""What a git host would refuse of commits that it does not have."""

import pytest
from workspace.repository.host_rules.unsent_content import Blob, Leak, Refusable, is_github, judged, leaks_in
from workspace.steps.sendable import refusals

from sitewright.contracts.error_codes import ErrorCode

KEY = "sk-ant-api03-" + "aB3dE6fG9" * 4
PATCH = f"""diff --git a/src/a page.astro b/src/a page.astro
index 1..2 100644
--- a/src/a page.astro\t
+++ b/src/a page.astro\t
@@ -1,0 +2,2 @@
+const key = "{KEY}";
+++ b/not-a-header
diff --git a/old.txt b/old.txt
deleted file mode 100644
--- a/old.txt
+++ /dev/null
@@ -1 +0,0 @@
-{KEY}
diff --git a/picture.png b/picture.png
Binary files /dev/null and b/picture.png differ
"""
LARGE = Blob("b1", 101 * 2**20, "film.mp4")
WORKFLOW = Blob("b2", 10, ".github/workflows/a.yml")
PAGE = Blob("b3", 10, "index.html")


def test_secrets_are_found_in_added_lines_alone() -> None:
    assert leaks_in(PATCH) == [Leak("src/a page.astro", KEY)]


@pytest.mark.parametrize(
    ("github", "there", "expected"),
    [
        (False, {"b1", "b2"}, [("push_secret", True), ("push_large_file", True)]),
        (True, {"b2"}, [("push_secret", True), ("push_large_file", False), ("push_workflow", True)]),
    ],
)
def test_what_a_host_refuses_is_in_the_files_or_in_the_history(
    github: bool, there: set[str], expected: list[tuple[str, bool]]
) -> None:
    found = judged([LARGE, WORKFLOW, PAGE], [Leak("a", KEY)], there, {KEY}, github=github)
    assert [(one.code.value, one.present) for one in found] == expected


def test_only_what_the_files_have_and_nobody_allowed_is_a_reason() -> None:
    found = [
        Refusable(ErrorCode.PUSH_SECRET, "a.html", True),
        Refusable(ErrorCode.PUSH_SECRET, "b.html", True),
        Refusable(ErrorCode.PUSH_LARGE_FILE, "film.mp4", False),
    ]
    (reason,) = refusals(found, [])
    assert reason.code is ErrorCode.PUSH_SECRET and "a.html, b.html" in reason.text and KEY not in reason.text
    assert refusals(found, [ErrorCode.PUSH_SECRET]) == []


@pytest.mark.parametrize(
    ("url", "yes"),
    [
        ("https://github.com/a/b", True),
        ("https://bakery.ghe.com/a/b.git", True),
        ("https://gitlab.com/a/github.com", False),
        ("http://127.0.0.1:8080/a.git", False),
    ],
)
def test_github_is_known_by_its_name(url: str, yes: bool) -> None:
    assert is_github(url) is yes
