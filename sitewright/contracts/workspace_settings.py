"""The settings of a workspace: declared once, written by the site's stack, read in the container.

A setting is one field. Its environment variable follows from its name: `max_turns` is SITEWRIGHT_MAX_TURNS. The rule stands
here rather than in pydantic-settings, whose import takes 0.11 s of CPU beside pydantic's 0.09 s, at every start of a container.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from sitewright.contracts.base import Contract
from sitewright.contracts.messages import ClientId

Seconds = Annotated[int, Field(ge=30, le=7200)]


class MissingVariableError(ValueError):
    """An environment variable that the task definition should have set."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"{variable}: is missing")
        self.variable = variable


class OperatorSettings(Contract):
    """What the operator sets for a site and the workspace reads. A new setting is one field here, with its default."""

    client_id: ClientId
    repository: str
    """https URL of the git repository, without credentials (http is accepted for loopback only)."""
    model: str | None = None
    """Claude model; default is Claude Code's own."""
    model_base_url: str | None = None
    """ANTHROPIC_BASE_URL of the agent; default is Anthropic's."""
    max_turns: Annotated[int, Field(ge=1, le=1000)] = 50
    max_budget_usd: Annotated[float, Field(gt=0, le=1000)] = 2.0
    agent_timeout_seconds: Seconds = 1800
    build_timeout_seconds: Seconds = 900
    push_timeout_seconds: Seconds = 300
    idle_seconds: Annotated[int, Field(ge=0, le=3600)] = 300
    """How long a workspace waits for the session's next command; 0: it ends with the command."""


def variable(field: str) -> str:
    """The environment variable of a field."""
    return f"SITEWRIGHT_{field.upper()}"


class WorkspaceSettings(OperatorSettings):
    """The environment in the workspace's task definition. It holds no secret, only the secrets' ARNs."""

    model_config = ConfigDict(alias_generator=variable, populate_by_name=True, frozen=True, extra="forbid")

    site_bucket: str
    artifacts_bucket: str
    sessions_table: str
    commands_table: str
    git_token_secret: str
    model_key_secret: str
    distribution_id: str | None = None
    """CloudFront's, for a site with `https`."""

    @classmethod
    def of(cls, site: OperatorSettings, **resources: str | None) -> Self:
        """The operator's settings, and the names of the resources that the stack made for the site."""
        return cls(**{name: getattr(site, name) for name in OperatorSettings.model_fields}, **resources)

    @classmethod
    def variables(cls) -> list[str]:
        """The names of the environment variables, in the order of the fields."""
        return [variable(field) for field in WorkspaceSettings.model_fields]

    def to_environment(self) -> dict[str, str]:
        """The variables with a value. A setting that is None has no variable."""
        values = {variable(field): getattr(self, field) for field in WorkspaceSettings.model_fields}
        return {name: str(value) for name, value in values.items() if value is not None}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **more: Any) -> Self:
        """The settings in a container's environment; `more` are fields of a subclass. An empty variable counts as absent.

        Defaults are the operator's only: where the stack always sets a variable, its absence is an error.
        Raises MissingVariableError, or pydantic.ValidationError whose location is the variable.
        """
        values: dict[str, Any] = {}
        for field, info in WorkspaceSettings.model_fields.items():
            name = variable(field)
            if environment.get(name):
                values[name] = environment[name]
            elif info.default is not None:
                raise MissingVariableError(name)
        return cls.model_validate(values | more)
