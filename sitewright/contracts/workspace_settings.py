"""The settings of a workspace: declared once, written by the site's stack, read in the container.

A setting is one field. Its environment variable follows from its name: `max_turns` is SITEWRIGHT_MAX_TURNS. This module
does not use pydantic-settings for that: its import costs 0.11 s of CPU at each start of a container, pydantic's 0.09 s.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from sitewright.contracts.base import Contract
from sitewright.contracts.build_environment import BuildEnvironment
from sitewright.contracts.commit_author import CommitAuthor
from sitewright.contracts.messages import ClientId
from sitewright.contracts.names import BRANCH_PREFIX

Seconds = Annotated[int, Field(ge=30, le=7200)]


def _folder(value: str) -> str:
    parts = [part for part in value.split("/") if part not in {"", "."}]
    if value.startswith("/") or ".." in parts or ".git" in parts or not all(_FOLDER.fullmatch(part) for part in parts):
        raise ValueError("must be a folder in the repository, like apps/website, without a slash at its beginning")
    if not parts:
        raise ValueError("must name a folder; leave it out for the repository's top")
    return "/".join(parts)


_FOLDER = re.compile(r"[A-Za-z0-9_.@][A-Za-z0-9_.@+-]*")
"""A folder's name without a character that git's patterns or a shell know."""

RelativeFolder = Annotated[str, Field(max_length=256), AfterValidator(_folder)]
"""A folder below another, with slashes."""


def _git_safe(value: str) -> str:
    # git check-ref-format: no "..", no empty component, none that begins with "." or ends in "." or ".lock".
    parts = value.split("/")
    if ".." in value or any(part.startswith(".") or part.endswith((".", ".lock")) for part in parts[:-1]):
        raise ValueError("no part may begin or end with '.', end in '.lock' or have '..'")
    if "" in parts[:-1]:
        raise ValueError("must have no empty part")
    return value


BranchPrefix = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,48}[-_/]$"), AfterValidator(_git_safe)
]
"""The beginning of a branch's name. Its last character keeps it apart from other branches: `ma` and `in` are `main`."""


class MissingVariableError(ValueError):
    """The task definition did not set a required environment variable."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"{variable}: is missing")
        self.variable = variable


class GitAuth(StrEnum):
    """How a workspace signs in to the git host."""

    TOKEN = "token"
    """With the token in the site's secret."""
    GITHUB_APP = "github-app"
    """With tokens of one hour, which the platform's GitHub App mints for the site's repository only."""


class Sessions(StrEnum):
    """What the sessions of a site are to each other."""

    SHARED = "shared"
    """Conversations about one site: each takes in what the others made live, and the default branch."""
    ISOLATED = "isolated"
    """Branches of their own, for previews: each begins at the default branch, and its publish replaces what is live."""


class ModelProvider(StrEnum):
    """Whose model API a site uses."""

    ANTHROPIC = "anthropic"
    """Anthropic's Messages API, or a compatible one, with the site's model key."""
    BEDROCK = "bedrock"
    """Amazon Bedrock, with the task role."""


class OperatorSettings(Contract):
    """The settings of a site that the workspace reads too. A new setting is one field here, with its default."""

    client_id: ClientId
    repository: str
    """https URL of the git repository, without credentials. http is accepted for loopback only."""
    git_auth: GitAuth = GitAuth.TOKEN
    branch_prefix: BranchPrefix = BRANCH_PREFIX
    """How the names of the sessions' branches begin. No branch of somebody else may begin so."""
    sessions: Sessions = Sessions.SHARED
    """Whether a session takes in what came since: the live commit and the default branch."""
    commit_author: CommitAuthor | None = None
    """The author of commits. None stands for the GitHub App's bot with `github-app`, else for DEFAULT_AUTHOR."""
    directory: RelativeFolder | None = None
    """The site's folder in the repository. None stands for the repository's top."""
    output: RelativeFolder | None = None
    """The folder that the build writes, in `directory`. None: the workspace looks for it."""
    build_environment: BuildEnvironment | None = None
    """Variables for installation and build. The agent gets none of them."""
    model: str | None = None
    """Claude model. The default is Claude Code's own. Bedrock needs the id of an inference profile or model."""
    model_provider: ModelProvider = ModelProvider.ANTHROPIC
    model_region: str | None = None
    """Region of Bedrock. The default is the task's region."""
    model_base_url: str | None = None
    """URL of the model's API. The default is Anthropic's, or Bedrock's in the region."""
    max_turns: Annotated[int, Field(ge=1, le=1000)] = 50
    max_budget_usd: Annotated[float, Field(gt=0, le=1000)] = 2.0
    agent_timeout_seconds: Seconds = 1800
    build_timeout_seconds: Seconds = 900
    push_timeout_seconds: Seconds = 300
    idle_seconds: Annotated[int, Field(ge=0, le=3600)] = 300
    """How long a workspace waits for the session's next command. With 0 it ends with the command."""


def variable(field: str) -> str:
    """Returns the name of a field's environment variable."""
    return f"SITEWRIGHT_{field.upper()}"


class WorkspaceSettings(OperatorSettings):
    """The environment in the workspace's task definition. It contains the names of secrets, but no secret."""

    model_config = ConfigDict(alias_generator=variable, populate_by_name=True, frozen=True, extra="forbid")

    site_bucket: str
    artifacts_bucket: str
    sessions_table: str
    commands_table: str
    git_secret: str
    """Name of the SSM parameter that `git_auth` needs: the site's git token, or the GitHub App of all sites."""
    model_key_secret: str | None = None
    """Name of the SSM parameter with the model key. None with Bedrock, which needs no key."""
    signing_key_secret: str | None = None
    """Name of the SSM parameter with the SSH key that signs commits. None: they are not signed."""
    distribution_id: str | None = None
    """Id of the CloudFront distribution, for a site with `https`."""

    @classmethod
    def of(cls, site: OperatorSettings, **resources: str | None) -> Self:
        """Combines the operator's settings with the names of the site's resources."""
        return cls(**{name: getattr(site, name) for name in OperatorSettings.model_fields}, **resources)

    @classmethod
    def variables(cls) -> list[str]:
        """Returns the names of the environment variables, in the order of the fields."""
        return [variable(field) for field in WorkspaceSettings.model_fields]

    def to_environment(self) -> dict[str, str]:
        """Returns the environment variables and their values. A setting that is None has no variable."""
        values = {variable(field): getattr(self, field) for field in WorkspaceSettings.model_fields}
        return {name: str(value) for name, value in values.items() if value is not None}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **more: Any) -> Self:
        """Parses a container's environment. An empty variable counts as absent.

        Only a setting whose default is None may be absent: the stack sets every other variable.

        Args:
            environment: the environment variables.
            more: values for fields of a subclass.

        Raises MissingVariableError, or pydantic.ValidationError whose location is the variable.
        """
        values: dict[str, Any] = {}
        for field, info in WorkspaceSettings.model_fields.items():
            name = variable(field)
            if environment.get(name):
                values[name] = environment[name]
            elif info.default is not None:
                raise MissingVariableError(name)
        settings = cls.model_validate(values | more)
        if settings.model_provider is ModelProvider.ANTHROPIC and settings.model_key_secret is None:
            raise MissingVariableError(variable("model_key_secret"))
        return settings
