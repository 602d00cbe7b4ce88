"""The runner's settings, parsed once from the task definition's environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, InstanceOf, ValidationError

from sitewright.contracts.workspace_settings import MissingVariableError, WorkspaceSettings
from workspace.errors import WorkspaceError
from workspace.guest.guest_user import Guest
from workspace.system.child_environment import inherited
from workspace.system.paths import Paths

ROOT = "SITEWRIGHT_ROOT"
DEFAULT_ROOT = "/workspace"
METADATA = "ECS_CONTAINER_METADATA_URI_V4"


GUEST_UID = "SITEWRIGHT_GUEST_UID"
"""The uid and gid of the guest. The image sets it; without it there is one user."""


class GuestUidError(ValueError):
    """The guest's uid is no uid, or the runner's own."""


class SettingsError(WorkspaceError):
    """The task definition's environment is invalid. The text is one line with the variable's name."""


class Settings(WorkspaceSettings):
    """The site's settings, and the container's own properties. Times are in seconds."""

    root: Path = Path(DEFAULT_ROOT)
    metadata_uri: str | None = None
    """The URL of ECS's container metadata endpoint; None outside ECS."""
    inherited: Mapping[str, str] = Field(repr=False)
    """The allow-listed part of the runner's environment. Every child's environment is based on it."""
    guest: InstanceOf[Guest] = Field(default_factory=Guest, repr=False)
    """The user of everything that nobody reviewed."""

    @property
    def as_root(self) -> bool:
        """Whether the agent's programs run as root."""
        return self.guest.is_root

    @property
    def paths(self) -> Paths:
        """The workspace's folders."""
        return Paths(self.root)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Returns the settings of a container's environment.

        An empty variable counts as absent. Raises SettingsError.
        """
        try:
            return cls.from_environment(
                env,
                root=env.get(ROOT) or DEFAULT_ROOT,
                metadata_uri=env.get(METADATA),
                inherited=inherited(env),
                guest=Guest.of(_uid(env.get(GUEST_UID))),
            )
        except (MissingVariableError, GuestUidError) as error:
            raise SettingsError(f"{error}. Correct it in the site's task definition.") from error
        except ValidationError as error:
            first = error.errors()[0]
            raise SettingsError(
                f"{first['loc'][0]}: {first['msg']}. Correct it in the site's task definition."
            ) from error


def _uid(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or int(text) in {0, os.getuid()}:
        raise GuestUidError(f"{GUEST_UID}: {text!r} is not the id of another user")
    return int(text)
