"""The trailers at the end of every commit message of the service (git-interpret-trailers). Pure."""

from collections.abc import Iterable

_SESSION = "Session-Id: "
_COMMAND = "Command-Id: "

REPLACES = "Replaces"
"""The trailer of a commit in place of others, which the git host refused: one line for each of them."""


def session_trailer(session_id: str) -> str:
    """Returns the trailer line that all commits of a session share."""
    return f"{_SESSION}{session_id}"


def commit_trailers(session_id: str, command_id: str) -> str:
    """Returns the last paragraph of a commit message: the ids of the session and of the command."""
    return f"{session_trailer(session_id)}\n{_COMMAND}{command_id}\n"


def replaces_trailers(commits: Iterable[str]) -> str:
    """Returns the trailer lines of a commit in place of these."""
    return "".join(f"{REPLACES}: {commit}\n" for commit in commits)
