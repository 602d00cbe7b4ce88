"""Checks the promises of the service after a chaos run. Pure."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from tools.chaos.schedule import PlannedCommand

Json = dict[str, Any]
SAVED = {"succeeded", "interrupted"}


class Sent(Protocol):
    """A command that was sent."""

    @property
    def session_id(self) -> str:
        """Its session."""

    @property
    def command_id(self) -> str:
        """Its own id."""


def answers(orders: Sequence[Sent], responses: Sequence[Json]) -> list[str]:
    """Exactly one answer for each command."""
    counts = Counter((answer["sessionId"], answer["commandId"]) for answer in responses)
    sent = {(order.session_id, order.command_id) for order in orders}
    wrong = [
        f"{command}: {counts[session, command]} answers" for session, command in sent if counts[session, command] != 1
    ]
    return sorted(wrong) + [f"{command}: an answer to nothing that was sent" for _, command in counts.keys() - sent]


def files(
    orders: Sequence[PlannedCommand], responses: Sequence[Json], kept: Collection[str], remote: Mapping[str, str]
) -> list[str]:
    """Every file that was told to be written, or was older than a checkpoint at a kill, is on the remote, with its text."""
    marks = {order.path: order.mark for order in orders}
    promised = dict.fromkeys(kept, "at a kill")
    for answer in responses:
        if answer["status"] in SAVED:
            promised |= dict.fromkeys(answer["filesChanged"], f"told by {answer['commandId']}")
    wrong = []
    for path, why in sorted(promised.items()):
        if path not in remote:
            wrong.append(f"{path} ({why}) is in no commit of the remote")
        elif marks.get(path, "") not in remote[path]:
            wrong.append(f"{path} ({why}) has another text on the remote")
    return wrong


def outcomes(orders: Sequence[PlannedCommand], responses: Sequence[Json], remote: Mapping[str, str]) -> list[str]:
    """Checks that a command that succeeded has its own file on the remote, and those of the commands it covers."""
    succeeded = [answer for answer in responses if answer["status"] == "succeeded"]
    done = {command for answer in succeeded for command in (answer["commandId"], *answer.get("covers", ()))}
    return [
        f"{o.command_id} succeeded, but {o.path} is nowhere"
        for o in orders
        if o.command_id in done and o.path not in remote
    ]


def commits(responses: Sequence[Json], on_a_branch: Callable[[str, str], bool]) -> list[str]:
    """Every commit that an answer names is reachable from a branch of the remote."""
    named = [(str(a["sessionId"]), str(a["commandId"]), a["commit"]) for a in responses if a["commit"]]
    return [
        f"{command}: {commit} is on no remote branch"
        for session, command, commit in named
        if not on_a_branch(session, commit)
    ]
