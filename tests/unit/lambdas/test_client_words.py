"""What went wrong, in a client's words."""

import pytest

from lambdas.respond.client_words import OTHER, told
from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.error_sources import ErrorSource

ANSWERED_OTHERWISE = {
    ErrorCode.INVALIDATION_FAILED,
    ErrorCode.SYNC_CHECK_FAILED,
    ErrorCode.RUN_STOPPED,
    ErrorCode.INTERRUPTED,
    ErrorCode.INTERNAL,
}
"""Codes whose summary needs no clause: the edit is live, or the answer is not about a failure."""


@pytest.mark.parametrize("code", list(ErrorCode))
def test_each_failure_has_words_without_the_programs_own(code: ErrorCode) -> None:
    words = told(code)
    if code.reporter is not ErrorSource.INTAKE and code not in ANSWERED_OTHERWISE:
        assert words != OTHER, f"{code} needs a clause in lambdas/respond/client_words.py"
    assert not set("`_{}/") & set(words) and not words.endswith(".")
    assert not {"npm", "commit", "push", "branch", "checkpoint"} & set(words.replace(",", "").split())
