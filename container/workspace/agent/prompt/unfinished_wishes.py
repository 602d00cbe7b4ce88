"""Carries what interrupted commands asked for, and did not finish, into the next command's prompt. Pure.

A newer message interrupts the older one, but it seldom takes it back: a client who sends two messages wants both.
docs/decisions/42-two-wishes-in-a-row.md has the rules.
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.messages import MAX_INSTRUCTION_BYTES, ResponseStatus
from sitewright.contracts.records import CommandRecord

LOOKED_BACK = 10
"""How many commands of the session are looked at, the newest first. So many commands' ids are in `covers` at most."""

CARRIED_FOR_MS = 24 * 3_600_000
"""Maximum age of a carried wish, beside the command that takes it over. The chat has moved on since."""

PASSING = frozenset(
    {
        ErrorCode.MODEL_UNAVAILABLE,
        ErrorCode.GIT_AUTH_FAILED,
        ErrorCode.GIT_UNAVAILABLE,
        ErrorCode.WORKSPACE_CRASHED,
        ErrorCode.WORKSPACE_CANNOT_START,
        ErrorCode.WORKSPACE_BUSY,
        ErrorCode.NO_CAPACITY,
    }
)
"""Failures that no wish causes. The client sends the failed command again, and not what it carried."""

PROMPT = (
    "The client sent {count} messages one after the other. The older ones were interrupted before they were done, so "
    "some of their work may be in the files already. Look before you edit, and do nothing twice. Carry out all of the "
    "messages. Where two contradict each other, the newer one counts. If a newer one takes an older one back, leave the "
    "older one undone. Say in your last message what you changed for each. Each line with {mark} begins a message, the "
    "oldest first."
)

_HEAD = re.compile(r"^-----[0-9a-f]{32}----- message \d+ of \d+(?:, the newest)?$", re.MULTILINE)
"""The line that begins a message. The demo model knows it too."""

LEFT_OUT = "(An earlier message was interrupted, and is too long to be carried out together with this one: please send it again.)"


@dataclass(frozen=True)
class Carried:
    """What a command takes over from the commands before it. Lists begin with the oldest."""

    covers: list[str] = field(default_factory=list)
    """The ids of the commands."""
    wishes: list[str] = field(default_factory=list, repr=False)
    """Their instructions. One that a newer command repeats is left away."""
    left_out: list[str] = field(default_factory=list)
    """The ids of commands whose instructions do not fit into the prompt."""


def unfinished(command: CommandRecord, earlier: Callable[[str], CommandRecord | None]) -> list[CommandRecord]:
    """Returns the earlier commands that were interrupted before their edit was complete, the newest first.

    `earlier` reads a command of the session by its id; None if there is none any more.
    """
    found: list[CommandRecord] = []
    before: CommandRecord | None = command
    for _ in range(LOOKED_BACK):
        before = earlier(before.supersedes) if before is not None and before.supersedes is not None else None
        if before is None or command.accepted_at - before.accepted_at > CARRIED_FOR_MS or _ends_carrying(before):
            break
        if not before.prepare and not _failed(before):
            found.append(before)
    return found


def carried(command: CommandRecord, older: list[CommandRecord]) -> Carried:
    """Returns what fits into the command's prompt. `older` has the newest first, which counts most.

    All instructions together have at most MAX_INSTRUCTION_BYTES: the size that a single one may have.
    """
    left = MAX_INSTRUCTION_BYTES - _size(command.instruction or "")
    known = {(command.instruction or "").strip()}
    covers: list[str] = []
    wishes: list[str] = []
    left_out: list[str] = []
    for one in older:
        text = one.instruction or ""
        if text.strip() not in known:
            if _size(text) > left:
                left_out.append(one.command_id)
                continue
            known.add(text.strip())
            left -= _size(text)
            wishes.append(text)
        covers.append(one.command_id)
    return Carried(covers[::-1], wishes[::-1], left_out[::-1])


def prompt(newest: str, wishes: list[str]) -> str:
    """Returns the prompt for a command's instruction and the older wishes. The mark is random: no message forges it."""
    if not wishes:
        return newest
    mark, texts = f"-----{uuid.uuid4().hex}-----", [*wishes, newest]
    heads = [f"{mark} message {number} of {len(texts)}" for number in range(1, len(texts) + 1)]
    heads[-1] += ", the newest"
    messages = "\n\n".join(f"{head}\n{text}" for head, text in zip(heads, texts, strict=True))
    return f"{PROMPT.format(count=len(texts), mark=mark)}\n\n{messages}"


def messages_in(text: str) -> str:
    """Returns what the client said in a prompt: the messages, without the text around them."""
    return " ".join(part.strip() for part in _HEAD.split(text)[1:]) or text


def _ends_carrying(command: CommandRecord) -> bool:
    """Tells whether neither the command nor what it carried is carried on.

    Its edit is complete, or somebody stopped it on purpose, or it failed and its answer said so.
    """
    if command.agent is not None:
        return True
    answer = command.response
    if answer is None or command.prepare:
        return False
    if answer.status is ResponseStatus.INTERRUPTED:
        return answer.superseded_by is None
    return answer.error is None or answer.error.code not in PASSING


def _failed(command: CommandRecord) -> bool:
    return command.response is not None and command.response.status is not ResponseStatus.INTERRUPTED


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
