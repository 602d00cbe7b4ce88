"""How a workspace signs in to the git host: the token of the moment, and the author of commits."""

from collections.abc import Callable
from typing import Protocol

from botocore.exceptions import ClientError

from sitewright.contracts.commit_author import DEFAULT_AUTHOR, CommitAuthor
from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.names import store_secret
from sitewright.contracts.secrets.secret_text import GIT_TOKEN_KEYS, SecretTextError, single_value
from workspace.errors import StepFailed
from workspace.system.aws_clients import Clients


class GitCredentials(Protocol):
    """A source of git tokens."""

    def token(self) -> str:
        """Returns a token that is valid now.

        Raises StepFailed (GIT_AUTH_FAILED), CredentialsUnavailable (try again).
        """

    def renew(self) -> bool:
        """Gives up a token that the git host refused. Returns whether another one may work."""

    def log_to(self, log: Callable[..., None]) -> None:
        """Logs to the present step's log from now on."""

    def author(self) -> CommitAuthor:
        """Returns the author of commits. Raises nothing: without an identity of its own it is DEFAULT_AUTHOR."""


class SecretToken:
    """The token of the site's secret. Keeps it out of the log by `hide`."""

    def __init__(self, clients: Clients, secret: str, hide: Callable[[str], None]) -> None:
        self._clients = clients
        self._secret = secret
        self._hide = hide

    def token(self) -> str:
        """Returns the token. Raises StepFailed."""
        text = read_secret(self._clients, self._secret, "The git token's secret")
        self._hide(text)
        try:
            token = single_value(text, GIT_TOKEN_KEYS)
        except SecretTextError as error:
            raise StepFailed(ErrorCode.GIT_AUTH_FAILED, f"The git token's secret {error}.") from error
        self._hide(token)
        return token

    def renew(self) -> bool:
        """Returns False: the secret is read again at the next step."""
        return False

    def log_to(self, log: Callable[..., None]) -> None:
        """Does nothing: this class logs nothing."""

    def author(self) -> CommitAuthor:
        """Returns DEFAULT_AUTHOR: a personal token's owner did not write the commits."""
        return DEFAULT_AUTHOR


def read_secret(clients: Clients, secret: str, what: str) -> str:
    """Returns the text of a secret of the git host. Raises StepFailed (GIT_AUTH_FAILED)."""
    try:
        return clients.secret(secret)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        message = f"{what} cannot be read: {code}"
        if code == "ParameterNotFound":
            message += f". Store it: {store_secret(secret)}"
        raise StepFailed(ErrorCode.GIT_AUTH_FAILED, message) from error
