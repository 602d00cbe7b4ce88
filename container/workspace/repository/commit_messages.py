"""Texts of the commits that the workspace makes."""


def trailers(session_id: str, command_id: str) -> str:
    """The end of every commit message of ours."""
    return f"Session-Id: {session_id}\nCommand-Id: {command_id}\n"


def wip_message(subject: str, session_id: str, command_id: str) -> str:
    """The message of a commit that saves unfinished work."""
    return f"{subject}\n\n{trailers(session_id, command_id)}"
