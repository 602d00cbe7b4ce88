"""Cuts the log of a failed program down to what a person and the agent need. Pure."""

import re
from pathlib import Path

_LINES = 30
_MESSAGE_CHARACTERS = 1_900
"""ErrorInfo cuts the end of a longer text, but the cause stands at the end of a log."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_FRAME = re.compile(r"^\s+at .*(node:|node_modules/)")
_SOURCE = re.compile(r"(?<![\w/.-])(?:src|public|content|pages|components|layouts)/[\w@.\[\]()+ /-]*\.\w+")


def excerpt(tail: str, site: Path) -> str:
    """Returns the readable end of a build's log.

    Removes colours and the tools' own stack frames. Adds the line that names the source file if it stands further
    up.
    """
    text = _ANSI.sub("", tail).replace(f"{site}/", "")
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not _FRAME.match(line)]
    end = "\n".join(lines[-_LINES:])[-_MESSAGE_CHARACTERS:]
    if not _SOURCE.search(end):
        named = next((line.strip() for line in reversed(lines) if _SOURCE.search(line)), None)
        if named:
            end = f"{named[:300]}\n{end[-(_MESSAGE_CHARACTERS - 301) :]}"
    return end
