"""Decides whether the command's edit broke the build. Then the agent may repair it. Pure.

It builds nothing a second time. It looks at the failed part, its error, the edited files, and whether the previous
command ended with the same failure. It does not recognise a site that was broken before its session began. Then the
agent is asked once, with the instruction to change nothing if its edit is not the cause.
"""

import re
from collections.abc import Collection
from enum import StrEnum, auto

_LOCKFILES = ("package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock")
_INSTALLS = {"package.json", ".npmrc", *_LOCKFILES}
"""The files that determine an installation."""

_CONFIGURES = re.compile(r"^package\.json$|\.config\.|^\.?eleventy|^(?:hugo|config)\.|\.[cm]?js$|\.sh$")
"""The files that say where a build writes."""

_OUTSIDE = re.compile(
    r"\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|EPIPE|ERR_SOCKET_TIMEOUT"
    r"|UND_ERR_\w+|ENOSPC|ENOMEM|EDQUOT|EMFILE)\b|error code E(?:5\d\d|429)\b|\bfetch failed\b"
    r"|JavaScript heap out of memory|socket hang up|network (?:timeout|request failed)",
    re.IGNORECASE,
)
"""Faults of network and machine in the output of Node and npm."""

_KILLED = 128
"""A shell's exit code for a signal is this plus the signal's number. The usual cause is a lack of memory."""


class BuildPart(StrEnum):
    """The part of a build that failed."""

    PACKAGE = auto()
    """package.json cannot be read, has no build script, or needs a package manager that the image lacks."""
    INSTALL = auto()
    BUILD = auto()
    VARIABLE = auto()
    """An environment variable has no value, which no edit can give."""
    OUTPUT = auto()
    """The build wrote none of the folders that are looked for."""
    TIME = auto()
    """The time limit, in any part."""
    MACHINE = auto()
    """An error of the file system."""


def caused_by_edit(
    part: BuildPart, *, returncode: int, log: str, edited: Collection[str], message: str, before: str | None
) -> bool:
    """Returns whether the command's edit probably caused the failure.

    Args:
        part: the failed part.
        returncode: the failed program's exit code; 0 if no program failed.
        log: the end of the program's output.
        edited: the paths that the command changed.
        message: the failure's message.
        before: the message of the previous command's failed build; None if that build passed.
    """
    if (
        part in {BuildPart.TIME, BuildPart.MACHINE, BuildPart.VARIABLE}
        or returncode < 0
        or returncode > _KILLED
        or _OUTSIDE.search(log)
    ):
        return False
    names = {path.rpartition("/")[2] for path in edited}
    if part in {BuildPart.PACKAGE, BuildPart.INSTALL} and not _INSTALLS & names:
        return False
    if part is BuildPart.OUTPUT and not any(_CONFIGURES.search(name) for name in names):
        return False
    return before is None or _same(message) != _same(before)


_VARIES = re.compile(r"\b[0-9a-f]{8,}\b|\d[\d.,:]*(?:\s?(?:ms|s|min|m|h)\b)?")
"""Hashed names, times, line numbers and durations. Durations include their unit: a slower build says 1.02s, not
980ms."""


def _same(message: str) -> str:
    return _VARIES.sub("#", " ".join(message.split()))
