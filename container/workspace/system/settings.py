"""The workspace's settings: parsed once, from the task definition's and the override's environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sitewright.contracts.steps import WorkspaceEnv
from workspace.errors import WorkspaceError
from workspace.system.child_environment import inherited
from workspace.system.paths import Paths

ROOT = "SITEWRIGHT_ROOT"
METADATA = "ECS_CONTAINER_METADATA_URI_V4"


class SettingsError(WorkspaceError):
    """The environment is not what the task definition should have set. One line, with the variable's name."""


class Settings(BaseModel):
    """What the site's task definition says. Times are seconds."""

    model_config = ConfigDict(frozen=True)

    client_id: str
    repository: str
    site_bucket: str
    site_url: str
    artifacts_bucket: str
    sessions_table: str
    commands_table: str
    git_token_secret: str
    model_key_secret: str
    model: str | None = None
    model_base_url: str | None = None
    max_turns: int = Field(default=50, ge=1)
    max_budget_usd: float = Field(default=2.0, gt=0)
    agent_timeout_seconds: int = Field(default=1800, gt=0)
    build_timeout_seconds: int = Field(default=900, gt=0)
    push_timeout_seconds: int = Field(default=300, gt=0)
    distribution_id: str | None = None
    """CloudFront's, for a site with https."""
    idle_seconds: float = Field(default=0, ge=0)
    """How long the workspace waits for the session's next step; 0: it ends after each."""

    root: Path = Path("/workspace")
    metadata_uri: str | None = None
    """ECS container metadata endpoint; None outside ECS."""
    inherited: Mapping[str, str] = Field(repr=False)
    """The allow-listed part of the runner's environment, the base of every child's."""
    as_root: bool = False
    """The runner is uid 0."""

    @property
    def paths(self) -> Paths:
        """The workspace's folders."""
        return Paths(self.root)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """The settings in a container's environment. Raises SettingsError; an empty variable counts as absent."""
        values: dict[str, Any] = {name.name.lower(): env[name] for name in WorkspaceEnv if env.get(name)}
        if env.get(ROOT):
            values["root"] = env[ROOT]
        values |= {"metadata_uri": env.get(METADATA), "inherited": inherited(env), "as_root": os.geteuid() == 0}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]).upper()
            raise SettingsError(
                f"SITEWRIGHT_{name}: {first['msg']}. Correct it in the site's task definition."
            ) from error
