"""The ids of sessions and commands, and the keys made of them. Pure: no boto3.

The client leads every partition key, for two reasons. A session's id is its client's own: two clients may use the same id.
And an IAM condition on the key's beginning (`dynamodb:LeadingKeys`) keeps one client's workspace from another's items.
"""

from dataclasses import dataclass
from typing import Any, Protocol, Self

from sitewright.tables.schema import CLIENT_ID, CLIENT_SESSION, COMMAND_ID, DEPLOYMENT_ID, MONTH

SEPARATOR = "#"
"""Stands between client and session. A valid clientId has none, so a key has one reading only."""


class SessionIds(Protocol):
    """Anything that names a session: a request, a record, a run's input. Without a valid client, `client_id` is None."""

    @property
    def client_id(self) -> str | None:
        """The session's client."""

    @property
    def session_id(self) -> str:
        """The session's id, unique in its client only."""


class CommandIds(SessionIds, Protocol):
    """Anything that names a command."""

    @property
    def command_id(self) -> str:
        """The command's id, unique in its session only."""


@dataclass(frozen=True)
class SessionRef:
    """The ids of a session, and nothing else."""

    client_id: str | None
    session_id: str


@dataclass(frozen=True)
class CommandRef:
    """The ids of a command, and nothing else."""

    client_id: str | None
    session_id: str
    command_id: str

    @classmethod
    def beside(cls, ids: SessionIds, command_id: str) -> Self:
        """Names another command of a session."""
        return cls(ids.client_id, ids.session_id, command_id)

    @classmethod
    def of_key(cls, key: dict[str, Any]) -> Self:
        """Reads the ids from a command's key."""
        return cls(*client_and_session(key), key[COMMAND_ID])


def client_session(ids: SessionIds) -> str:
    """Returns the partition key of a session and of its commands. A message without a valid client has an empty one."""
    return f"{ids.client_id or ''}{SEPARATOR}{ids.session_id}"


def client_and_session(key: dict[str, Any]) -> tuple[str | None, str]:
    """Returns the clientId and the sessionId of a key, or of an item."""
    client_id, _, session_id = str(key[CLIENT_SESSION]).partition(SEPARATOR)
    return client_id or None, session_id


def client_session_jsonata(client: str, session: str) -> str:
    """Returns `client_session` as a JSONata expression of two expressions."""
    return f"{{% {client} & '{SEPARATOR}' & {session} %}}"


def of_client(client_id: str) -> str:
    """Returns the pattern of a client's partition keys, for an IAM condition (`StringLike`)."""
    return f"{client_id}{SEPARATOR}*"


def session_key(ids: SessionIds) -> dict[str, Any]:
    """Returns a session's key."""
    return {CLIENT_SESSION: client_session(ids)}


def command_key(ids: CommandIds) -> dict[str, Any]:
    """Returns a command's key."""
    return {CLIENT_SESSION: client_session(ids), COMMAND_ID: ids.command_id}


def deployment_key(client_id: str, deployment_id: str) -> dict[str, Any]:
    """Returns a deployment's key."""
    return {CLIENT_ID: client_id, DEPLOYMENT_ID: deployment_id}


def spending_key(client_id: str, month: str) -> dict[str, Any]:
    """Returns the key of a client's month."""
    return {CLIENT_ID: client_id, MONTH: month}
