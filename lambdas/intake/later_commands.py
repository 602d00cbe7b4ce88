"""Finds the later commands of each session in a batch. Pure."""

from lambdas.intake.parse import parse
from sitewright.contracts.messages import Command


def later_commands(bodies: list[str]) -> list[list[str]]:
    """Returns, for each message of a batch, the session's other commands that come later in it, newest first.

    A command of another client is in another session. One of another thread will be rejected. A preparation interrupts
    nothing. A later message may be an old command that was delivered again; only the table shows that.
    """
    later: dict[tuple[str, str, str], list[str]] = {}
    found: list[list[str]] = []
    for body in reversed(bodies):
        parsed = parse(body)
        if not isinstance(parsed, Command):
            found.append([])
            continue
        following = later.setdefault((parsed.session_id, parsed.client_id, parsed.chat_thread_id), [])
        found.append([command_id for command_id in following if command_id != parsed.command_id])
        if parsed.command_id not in following and not parsed.prepare:
            following.append(parsed.command_id)
    return found[::-1]
