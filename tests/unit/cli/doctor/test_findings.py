"""One line a finding, and the exit code."""

import pytest

from sitewright.cli.doctor.findings import Finding, Status, exit_code, failed, not_checked, ok, warning


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([], 0),
        ([ok("a", "fine.")], 0),
        ([warning("a", "soon.", "do.")], 0),
        ([ok("a", "fine."), not_checked("b", "unseen.", "do.")], 3),
        ([not_checked("b", "unseen.", "do."), failed("a", "no.", "do.")], 1),
    ],
)
def test_the_exit_code_tells_failed_from_unseen(findings: list[Finding], code: int) -> None:
    assert exit_code(findings) == code


def test_a_finding_is_one_line_that_ends_with_the_remedy() -> None:
    line = str(failed("git token", "it is refused.", "Store a new one.", "amelia"))
    assert line == "failed       amelia: git token: it is refused. Store a new one."
    assert failed("x", "no.", "do.", "amelia").as_json() == {
        "check": "x",
        "status": Status.FAILED,
        "message": "no.",
        "remedy": "do.",
        "subject": "amelia",
    }
