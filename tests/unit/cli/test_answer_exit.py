"""The exit code of a response."""

from typing import Any

import pytest

from sitewright.cli.answer_exit import exit_code_of

LIVE: dict[str, Any] = {"status": "succeeded", "success": True, "error": None, "deploySuccess": True, "pushed": True}
ERROR = {"code": "x"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"deploySuccess": None, "pushed": False}, 0),
        ({"error": ERROR, "deploySuccess": None}, 3),
        ({"error": ERROR, "deploySuccess": False}, 3),
        ({"error": ERROR}, 3),
        ({"success": False, "status": "failed", "error": ERROR, "pushed": False}, 3),
        ({"success": False, "status": "timed_out", "error": ERROR, "pushed": False}, 3),
        ({"success": False, "status": "failed", "error": ERROR, "pushed": False, "deploySuccess": None}, 1),
        ({"success": False, "status": "failed", "error": ERROR, "deploySuccess": False}, 1),
        ({"success": False, "status": "interrupted", "error": None, "pushed": False}, 1),
        ({"success": False, "status": "rejected", "error": ERROR, "pushed": False, "deploySuccess": None}, 1),
    ],
)
def test_a_script_sees_what_is_done(changes: dict[str, Any], code: int) -> None:
    assert exit_code_of(LIVE | changes) == code
