"""The trailers that end every commit message of ours (git-interpret-trailers). Pure."""

_SESSION = "Session-Id: "
_COMMAND = "Command-Id: "


def session_trailer(session_id: str) -> str:
    """Returns the line that all commits of a session have."""
    return f"{_SESSION}{session_id}"


def commit_trailers(session_id: str, command_id: str) -> str:
    """Returns the last paragraph of a commit message: the session, and the command that the commit belongs to."""
    return f"{session_trailer(session_id)}\n{_COMMAND}{command_id}\n"
