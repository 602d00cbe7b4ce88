"""What doctor found: one line each. Pure."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How a check ended. What the caller may not see is NOT_CHECKED, never OK."""

    OK = "ok"
    WARNING = "warning"
    """It works now, and will not for long or not for everybody."""
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Finding:
    """The result of one check of one subject."""

    check: str
    """What was looked at: credentials, quotas, git, …"""
    status: Status
    message: str
    remedy: str = ""
    """What the operator can do. Empty only for OK."""
    subject: str = ""
    """The clientId of a site, or a region; empty for the whole account."""

    def __str__(self) -> str:
        what = f"{self.subject}: {self.check}" if self.subject else self.check
        return f"{self.status:<12} {what}: {' '.join([self.message, *([self.remedy] if self.remedy else [])])}"

    def as_json(self) -> dict[str, Any]:
        """Returns the finding for `--json`."""
        return dataclasses.asdict(self)


ALL_FINE, SOMETHING_FAILED, SOMETHING_UNCHECKED = 0, 1, 3
"""Exit codes. 2 is every other error of the command line. A warning is no failure."""


def exit_code(findings: Iterable[Finding]) -> int:
    """Returns 1 if a check failed, else 3 if one could not be made, else 0."""
    found = {finding.status for finding in findings}
    if Status.FAILED in found:
        return SOMETHING_FAILED
    return SOMETHING_UNCHECKED if Status.NOT_CHECKED in found else ALL_FINE


def ok(check: str, message: str, subject: str = "") -> Finding:
    """Returns a finding that needs no remedy."""
    return Finding(check, Status.OK, message, subject=subject)


def warning(check: str, message: str, remedy: str, subject: str = "") -> Finding:
    """Returns a finding that will be a failure one day."""
    return Finding(check, Status.WARNING, message, remedy, subject)


def failed(check: str, message: str, remedy: str, subject: str = "") -> Finding:
    """Returns a finding that lets runs or deployments fail."""
    return Finding(check, Status.FAILED, message, remedy, subject)


def not_checked(check: str, message: str, remedy: str, subject: str = "") -> Finding:
    """Returns a finding of what could not be seen."""
    return Finding(check, Status.NOT_CHECKED, message, remedy, subject)
