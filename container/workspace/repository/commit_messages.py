"""Texts of the commits that the workspace makes."""

from sitewright.contracts.commit_trailers import commit_trailers


def wip_message(subject: str, session_id: str, command_id: str) -> str:
    """The message of a commit that saves unfinished work."""
    return f"{subject}\n\n{commit_trailers(session_id, command_id)}"
