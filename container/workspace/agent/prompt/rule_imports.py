"""Finds the files that a file of rules imports with `@path`, as Claude Code does in CLAUDE.md. Pure.

An import stands at the beginning of a line or after white space, and not in code. It is relative to the file's folder. Source:
https://code.claude.com/docs/en/memory, "Import additional files" (read in copies: the stored corpora lack the page itself).
"""

import posixpath
import re

_IMPORT = re.compile(r"(?:^|\s)@((?:\\ |[^\s`\\])+)")
_TICKS = re.compile(r"`+")
_FENCES = ("```", "~~~")


def imports(text: str, name: str) -> tuple[list[str], list[str]]:
    """Returns the imported paths, relative to the repository and in their order, and the imports that lead out of it.

    Args:
        text: the file's text.
        name: the file's path in the repository.

    The paths need not exist: "@alice" reads like one.
    """
    inside: dict[str, None] = {}
    outside: dict[str, None] = {}
    fence = ""
    for line in text.splitlines():
        mark = line.lstrip()[:3]
        if mark in _FENCES and fence in {"", mark}:
            fence = "" if fence else mark
            continue
        for found in [] if fence else _IMPORT.findall(_without_code(line)):
            path = found.replace("\\ ", " ").partition("#")[0].rstrip(".,;:!?)\"'")
            if path.startswith(("/", "~")):
                outside[path] = None
            elif path:
                resolved = beside(name, path)
                inside.update({resolved: None} if resolved else {})
                outside.update({} if resolved else {path: None})
    return list(inside), list(outside)


def _without_code(line: str) -> str:
    """Removes what stands between backticks. A backtick without a second one begins no code."""
    parts = _TICKS.split(line)
    return "".join([*parts[:-1:2], parts[-1]])


def beside(name: str, path: str) -> str | None:
    """Returns a path that is relative to a file's folder as one of the repository; None if it leads out of it."""
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
    return None if resolved.startswith(("/", "../")) or resolved in {".", ".."} else resolved
