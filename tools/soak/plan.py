"""The commands of a soak run. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SoakCommand:
    """One command of the plan."""

    client_id: str
    session_id: str
    command_id: str
    instruction: str


def sites(count: int) -> list[str]:
    """Returns the clientIds of a stack with so many sites."""
    return [f"soak{number:02d}" for number in range(count)]


def plan(run: str, commands: int, sessions: int, clients: list[str]) -> list[list[SoakCommand]]:
    """Returns the commands of each session, spread evenly. Sessions of one site are far apart, so that all sites are busy.

    Each command replaces the page's newest heading by another one, so the site does not grow.
    """
    counts = [commands // sessions + (number < commands % sessions) for number in range(sessions)]
    return [
        [_command(run, clients[number % len(clients)], number, turn) for turn in range(count)]
        for number, count in enumerate(counts)
    ]


def _command(run: str, client: str, session: int, turn: int) -> SoakCommand:
    name = f"{run}-s{session:03d}"
    text = f'Change the title of the homepage to "Soak {session} {turn}"'
    return SoakCommand(client, name, f"{name}-c{turn}", text)
