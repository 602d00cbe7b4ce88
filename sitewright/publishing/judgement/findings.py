"""What the judge finds, and the exception with which it refuses a publish."""

from collections.abc import Sequence
from dataclasses import dataclass

from sitewright.contracts.error_codes import ErrorCode

_SHOWN = 10
_SHOWN_CHARACTERS = 100


@dataclass(frozen=True)
class Finding:
    """A reason to refuse a publish."""

    code: ErrorCode
    text: str
    """What would become worse, with names: sentences for the client and the agent."""
    repairable: bool = True
    """Whether an edit of the site's sources can mend it."""


class PublishRefused(Exception):
    """The publish would make the live site worse. Nothing was sent."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(finding.text for finding in findings))
        self.findings = tuple(findings)

    @property
    def code(self) -> ErrorCode:
        """The first finding's code."""
        return self.findings[0].code

    @property
    def message(self) -> str:
        """The text for the response, with all codes that an operator would have to allow."""
        if len(self.findings) == 1:
            return str(self)
        # First, for a long text is cut at its end.
        codes = ", ".join(finding.code.value for finding in self.findings)
        return f"There are {len(self.findings)} reasons: {codes}.\n{self}"

    @property
    def repairable(self) -> bool:
        """Whether an edit can mend all of it."""
        return all(finding.repairable for finding in self.findings)


def named(names: Sequence[str], number: int = 0) -> str:
    """Names the first of some names and counts the others. There are `number` of them if that is more than the names."""
    more = max(len(names), number) - _SHOWN
    return ", ".join(map(printable, names[:_SHOWN])) + (f" and {more:,} more" if more > 0 else "")


def printable(name: str) -> str:
    """Returns a name of the build's or the repository's for a text: cut, with escapes for what a terminal would obey."""
    cut = name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}…"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)


def counted(number: int, one: str) -> str:
    """Returns `1 page` or `3 pages`."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"
