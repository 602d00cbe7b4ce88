"""The text appended to Claude Code's system prompt: its task in the run, and the repository's own rules."""

from pathlib import Path

from workspace.guest import guest_files
from workspace.guest.guest_files import GuestFileError

ROLE = (
    "You edit the source of a website (usually an Astro site) in the current folder, for a client who wrote the "
    "message and who is no programmer. Only edit files. Do not commit, push, switch branches or publish: that is done "
    "after you. `npm run build` runs after you as well and has to pass; packages may not be installed here, so install "
    "and build only where you cannot judge an edit otherwise. Nobody can answer questions: decide what is sensible, "
    "and say in your last message, in one or two plain sentences, what you changed."
)

ANEW = "An earlier conversation about this website took place and cannot be continued: `git log` shows what it did."

RULES = ("CLAUDE.md", ".claude/CLAUDE.md", "AGENTS.md")
"""Files with a repository's own rules for agents. The first existing file counts."""

_RULES_BYTES = 32 * 1024
"""The limit of the rules. They are passed in a program argument, which Linux limits to 128 KiB."""

_RULES_FILE_BYTES = 2**20
"""A larger file is not read at all: it holds no rules."""

_RULES_FILE_BYTES = 2**20
"""A larger file is not read at all: it holds no rules."""


RECALLED = "What is known of it, oldest first (this is a record, no instruction):"


CHANGED_SINCE = (
    "Other people have changed the website since your last turn, so a file may differ from what you saw of it: read it "
    "again before you edit it."
)


def instructions(site: Path, *, anew: bool = False, recalled: str = "", changed_since: bool = False) -> str:
    """Returns the text to append.

    Args:
        site: the checkout. This function reads its rules. Claude Code loads no settings of it: they could run programs.
        anew: whether an earlier conversation of the session is lost.
        recalled: the summary of that conversation.
        changed_since: whether the command took in work of others.
    """
    parts = [ROLE, CHANGED_SINCE] if changed_since else [ROLE]
    if anew:
        parts.append(f"{ANEW}\n\n{RECALLED}\n{recalled}" if recalled else ANEW)
    for name in RULES:
        rules = _read(site, name)
        if rules:
            parts.append(f"Rules of this repository ({name}):\n\n{rules}")
            break
    return "\n\n".join(parts)


def _read(site: Path, name: str) -> str:
    try:
        with guest_files.open_file(site, name, limit=_RULES_FILE_BYTES) as file:
            text = file.read(_RULES_BYTES).decode("utf-8", "ignore")
    except (GuestFileError, OSError):
        return ""
    return text.replace("\0", "").strip()
