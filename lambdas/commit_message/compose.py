"""Composes the commit message. Pure and deterministic."""

import re
import textwrap
import unicodedata
from datetime import UTC, datetime

from sitewright.contracts.commit_trailers import commit_trailers
from sitewright.contracts.secrets.secret_shapes import masked

COLUMNS = 72
FILES_LISTED = 50
SUMMARY_CHARACTERS = 4_000
"""Maximum length of the summary. The message is stored on the command's item, whose limit is 400 KB.

The instruction on the same item may take most of that.
"""

_LOOKED_AT = 4_000
"""Characters of the instruction from which the subject is made."""

# Lines at which git ends the message and begins a patch. git-interpret-trailers does so at three dashes and white space.
# git-am (mailinfo) does so there too, and at "diff -" or "Index: ". The trailers would belong to the patch.
_DIVIDER = re.compile(r"^(?=---|diff -|Index: )", re.MULTILINE)


def width(text: str) -> int:
    """Counts the terminal columns of a text: two for a wide character, none for a combining one."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def one_line(text: str) -> str:
    """Replaces control characters, halves of surrogate pairs and runs of white space by one space each."""
    spaced = "".join(
        " " if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c != "\u200d" else c for c in text
    )
    return re.sub(r"\s+", " ", spaced).strip()


def cut(text: str, columns: int) -> str:
    """Cuts a text that is too long at a word, and appends an ellipsis. Cuts within a word that is too long by itself."""
    # An instruction may have 256 KB, but a line of 72 columns never needs more than this.
    text = text[: columns * 8]
    if width(text) <= columns:
        return text
    kept, used = "", 0
    for char in text:
        step = width(char)
        if used + step > columns - 1:
            break
        kept, used = kept + char, used + step
    if text[len(kept)] != " " and " " in kept:
        kept = kept[: kept.rindex(" ")]
    return kept.rstrip() + "…"


def compose(
    *,
    instruction: str,
    summary: str,
    files: list[str],
    files_count: int,
    session_id: str,
    command_id: str,
    accepted_at: int,
    repairs: int = 0,
) -> str:
    """Returns the whole commit message. `accepted_at` is in milliseconds since the epoch; the date is in UTC.

    With `repairs` the message is for the commit of that repair. 0 stands for the command's own commit.
    """
    day = datetime.fromtimestamp(accepted_at / 1000, UTC).strftime("%Y-%m-%d")
    prefix = f"[{day}] "
    if repairs:
        prefix += "Repair the build: " if repairs == 1 else f"Repair the build ({repairs}): "
    # A client may paste a key into his instruction. The history of a repository keeps it for good.
    subject = prefix + cut(masked(one_line(instruction[:_LOOKED_AT])), COLUMNS - len(prefix))
    parts = [subject]
    # A "#" may stay, because git reads the message verbatim from a file. A line of the summary that looks like a trailer
    # is only text, because git reads trailers from the last paragraph.
    if len(summary) > SUMMARY_CHARACTERS:
        summary = summary[:SUMMARY_CHARACTERS] + "…"
    paragraphs = [one_line(p) for p in masked(summary).split("\n\n")]
    body = "\n\n".join(
        textwrap.fill(p, COLUMNS, break_long_words=False, break_on_hyphens=False) for p in paragraphs if p
    )
    if body:
        parts.append(_DIVIDER.sub(" ", body))
    if files_count:
        lines = [f"Files changed ({files_count}):", *(f"- {one_line(f)}" for f in files[:FILES_LISTED])]
        if files_count > min(len(files), FILES_LISTED):
            lines.append(f"… and {files_count - min(len(files), FILES_LISTED)} more")
        parts.append("\n".join(lines))
    parts.append(commit_trailers(session_id, command_id))
    return "\n\n".join(parts)
