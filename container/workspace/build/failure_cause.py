"""Decides whether the command's edit broke the build, so that the agent may repair it. Pure.

Nothing is built twice for it. The signs are: the part that failed and how, the files of the edit, and whether the command
before ended with the same failure. A site that was broken before its session began is not recognised: the agent is asked
once, and is told to change nothing then.
"""

import re
from collections.abc import Collection
from enum import StrEnum, auto

from workspace.repository.checkout import LOCKFILES

_INSTALLS = {"package.json", ".npmrc", *LOCKFILES}
"""The files that decide about an installation."""

_OUTSIDE = re.compile(
    r"\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|EPIPE|ERR_SOCKET_TIMEOUT"
    r"|UND_ERR_\w+|ENOSPC|ENOMEM|EDQUOT|EMFILE)\b|error code E(?:5\d\d|429)\b|\bfetch failed\b"
    r"|JavaScript heap out of memory|socket hang up|network (?:timeout|request failed)",
    re.IGNORECASE,
)
"""The network's and the machine's faults, in Node's and npm's words."""

_KILLED = 128
"""A shell's exit code for a signal is this and the signal's number: out of memory, mostly."""


class BuildPart(StrEnum):
    """The part of a build that failed."""

    PACKAGE = auto()
    """package.json cannot be read, has no build script, or wants a package manager that is not there."""
    INSTALL = auto()
    BUILD = auto()
    TIME = auto()
    """The time limit, in any part."""
    MACHINE = auto()
    """The file system refused."""


def caused_by_edit(
    part: BuildPart, *, returncode: int, log: str, edited: Collection[str], message: str, before: str | None
) -> bool:
    """Whether the command's edit caused the failure, as far as the signs tell.

    Args:
        part: what failed.
        returncode: of the program that failed; 0 if none did.
        log: the end of its output.
        edited: paths that the command changed.
        message: of the failure.
        before: of the failure that the session's command before this one ended with; None if its build passed.
    """
    if part in {BuildPart.TIME, BuildPart.MACHINE} or returncode < 0 or returncode > _KILLED or _OUTSIDE.search(log):
        return False
    if part in {BuildPart.PACKAGE, BuildPart.INSTALL} and not _INSTALLS & set(edited):
        return False
    return before is None or _same(message) != _same(before)


_VARIES = re.compile(r"\b[0-9a-f]{8,}\b|\d[\d.,:]*(?:\s?(?:ms|s|min|m|h)\b)?")
"""Hashed names, times, line numbers, durations: these with their unit, for a slower repetition says 1.02s instead of 980ms."""


def _same(message: str) -> str:
    return _VARIES.sub("#", " ".join(message.split()))
