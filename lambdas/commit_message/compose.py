"""The commit message: pure and deterministic."""

import re
import textwrap
import unicodedata
from datetime import UTC, datetime

from sitewright.contracts.commit_trailers import commit_trailers

COLUMNS = 72
FILES_LISTED = 50
SUMMARY_CHARACTERS = 4_000
"""The message is kept on the command's item, beside an instruction that may take most of its 400 KB."""

# git-interpret-trailers: a line of three dashes and white space divides the message from a patch; git-am (mailinfo) takes
# the patch to begin there too, and at a line "diff -" or "Index: ". What follows is no message any more, trailers included.
_DIVIDER = re.compile(r"^(?=---|diff -|Index: )", re.MULTILINE)


def width(text: str) -> int:
    """Columns a terminal shows: wide characters count two, combining ones none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def one_line(text: str) -> str:
    """Control characters, halves of surrogate pairs and runs of white space become one space."""
    spaced = "".join(
        " " if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c != "\u200d" else c for c in text
    )
    return re.sub(r"\s+", " ", spaced).strip()


def cut(text: str, columns: int) -> str:
    """The text if it fits, otherwise cut at a word (a word too long for the line: within it), with an ellipsis."""
    # Only the head matters: a line of 72 columns never needs more than this, and an instruction may have 256 KB.
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
    """The whole message. `accepted_at` in milliseconds since the epoch; the date is UTC's.

    With `repairs` it is the commit of that repair of the build which the command's own commit broke.
    """
    day = datetime.fromtimestamp(accepted_at / 1000, UTC).strftime("%Y-%m-%d")
    prefix = f"[{day}] "
    if repairs:
        prefix += "Repair the build: " if repairs == 1 else f"Repair the build ({repairs}): "
    subject = prefix + cut(one_line(instruction), COLUMNS - len(prefix))
    parts = [subject]
    # "#" is fine: git takes the message verbatim from a file. A summary that looks like a trailer is only text,
    # since git reads trailers from the last paragraph alone.
    if len(summary) > SUMMARY_CHARACTERS:
        summary = summary[:SUMMARY_CHARACTERS] + "…"
    paragraphs = [one_line(p) for p in summary.split("\n\n")]
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
