"""Finds the later commands of each session in a batch. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from lambdas.intake.message_age import sent_at
from lambdas.intake.parse import parse
from sitewright.contracts.messages import Command


@dataclass(frozen=True)
class LaterCommand:
    """A command that comes later in the batch."""

    command_id: str
    sent_at: int | None = None
    """Milliseconds since the epoch; None if unknown."""


def later_commands(messages: Sequence[tuple[str, int | None]]) -> list[list[LaterCommand]]:
    """Returns, for each message of a batch, the session's other commands that come later in it, newest first.

    A command of another client is in another session. One of another thread will be rejected. A preparation interrupts
    nothing. A later message may be an old command that was delivered again; only the table shows that.

    Args:
        messages: each message's body, and when SQS got it (ms).
    """
    later: dict[tuple[str, str, str], list[LaterCommand]] = {}
    found: list[list[LaterCommand]] = []
    for body, arrived in reversed(messages):
        parsed = parse(body)
        if not isinstance(parsed, Command):
            found.append([])
            continue
        following = later.setdefault((parsed.session_id, parsed.client_id, parsed.chat_thread_id), [])
        found.append([each for each in following if each.command_id != parsed.command_id])
        if all(each.command_id != parsed.command_id for each in following) and not parsed.prepare:
            following.append(LaterCommand(parsed.command_id, sent_at(parsed.sent_at, arrived)))
    return found[::-1]
