"""What the end of the end-to-end tests says about the rights of the stack."""

from tests.support.iam.rights_check import compared
from tests.support.iam.unused_rights import NEVER_USED, RARELY_USED

KNOWN = {*NEVER_USED, *RARELY_USED}


def test_a_right_that_nothing_used_needs_a_reason() -> None:
    assert compared({*KNOWN, "Role: s3:GetObject on b"}, set()) == ["granted and never used: Role: s3:GetObject on b"]
    assert compared({*KNOWN, "Role: s3:GetObject on b"}, {"Role: s3:GetObject on b"}) == []


def test_a_reason_that_is_out_of_date_goes() -> None:
    never, rarely = next(iter(NEVER_USED)), next(iter(RARELY_USED))
    assert compared(KNOWN, {never, rarely}) == [f"used, so it needs no reason in NEVER_USED: {never}"]
    assert compared(KNOWN - {rarely}, set()) == [f"has a reason and is not granted: {rarely}"]


def test_no_right_is_in_both_tables() -> None:
    assert not set(NEVER_USED) & set(RARELY_USED)
