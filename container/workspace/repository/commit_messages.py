"""The messages of the workspace's own commits."""

from sitewright.contracts.commit_trailers import commit_trailers


def wip_message(subject: str, session_id: str, command_id: str) -> str:
    """Returns the message of a WIP commit."""
    return f"{subject}\n\n{commit_trailers(session_id, command_id)}"
