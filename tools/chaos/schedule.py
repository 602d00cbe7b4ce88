"""Plans the commands of a chaos run from its seed. Pure."""

import random
from dataclasses import dataclass

SLOW_SECONDS = 42
"""Longer than a checkpoint's period: a kill after that time may lose no edit."""


@dataclass(frozen=True)
class PlannedCommand:
    """One command of the plan. `path` is the file it makes the agent write, whose text holds `mark`."""

    client_id: str
    session_id: str
    command_id: str
    mark: str
    path: str
    instruction: str
    model_delay: float
    """Seconds until the model's first answer."""
    interrupt_after: float | None
    """Seconds after which the session's next command is sent; None: after the answer."""


def plan(seed: int, commands: int, sessions: int, clients: list[str]) -> list[list[PlannedCommand]]:
    """Returns the commands of each session. The last command of a session is not interrupted, so that it ends by itself."""
    draw = random.Random(seed)  # noqa: S311 - reproducible, no secret
    counts = [commands // sessions + (number < commands % sessions) for number in range(sessions)]
    return [
        [
            _order(draw, seed, clients[number % len(clients)], number, turn, last=turn == count - 1)
            for turn in range(count)
        ]
        for number, count in enumerate(counts)
    ]


def _order(draw: random.Random, seed: int, client: str, session: int, turn: int, *, last: bool) -> PlannedCommand:
    mark = f"chaos-{seed}-s{session}-c{turn}"
    kind = draw.random()
    if kind < 0.5:
        path, instruction = f"src/content/journal/{mark}.md", f'Add a journal post called "{mark}"'
    else:
        path = f"notes/{mark}.md"
        seconds = SLOW_SECONDS if kind > 0.96 else round(draw.uniform(0, 5), 1)
        write = f"mkdir -p notes && echo {mark} > {path} && sleep {seconds}"
        instruction = f"Run the command: `{write}`"
    interrupt = None if last or draw.random() < 0.5 else round(draw.uniform(0.2, 9), 1)
    return PlannedCommand(
        client_id=client,
        session_id=f"chaos-{seed}-s{session}",
        command_id=mark,
        mark=mark,
        path=path,
        instruction=instruction,
        model_delay=round(draw.uniform(0, 3), 1),
        interrupt_after=interrupt,
    )
