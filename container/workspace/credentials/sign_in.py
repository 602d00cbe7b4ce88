"""Chooses how a workspace signs in to the git host, by the site's `gitAuth`."""

from sitewright.contracts.workspace_settings import GitAuth
from workspace.credentials.git_credentials import GitCredentials, SecretToken, read_secret
from workspace.credentials.github_api import GitHubApi
from workspace.credentials.github_app import GitHubApp
from workspace.credentials.github_repository import GitHubRepository
from workspace.system.aws_clients import Clients
from workspace.system.json_log import Log
from workspace.system.settings import Settings


def git_credentials(settings: Settings, clients: Clients, log: Log) -> GitCredentials:
    """Returns the credentials of the site's repository. Reads no secret yet."""
    secret = settings.git_secret
    if settings.git_auth is GitAuth.TOKEN:
        return SecretToken(clients, secret, log.hide)
    repository = GitHubRepository.of(settings.repository)
    api = GitHubApi(repository.api, settings.inherited.get("GIT_SSL_CAINFO"))
    return GitHubApp(repository, api, lambda: read_secret(clients, secret, "The GitHub App's secret"), log, log.hide)
