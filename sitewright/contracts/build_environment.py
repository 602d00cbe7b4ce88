"""The variables that a site's installation and build get besides the usual ones: plain values, and names of secrets."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, RootModel, model_validator

from sitewright.contracts.base import Contract
from sitewright.contracts.secrets.secret_shapes import masked

BYTES = 16_384
"""Maximum size as JSON. A task definition has 64 KB (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html)."""

SECRETS = 20
"""Maximum number of secrets. A workspace reads each by a request of its own, 40 a second in an account."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SECRET = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")

_OURS = frozenset({"PATH", "HOME", "TMPDIR", "USER", "SHELL", "NPM_CONFIG_CACHE", "NPM_CONFIG_USERCONFIG"})
_OURS_BEGIN = ("SITEWRIGHT_", "GIT_", "LD_")
"""Variables on which the workspace relies: where programs, files and repositories lie."""


class BuildSecret(Contract):
    """A variable whose value is a secret of the site."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    secret: str
    """The end of the name of the SSM parameter: `cms-token`."""


class BuildEnvironment(RootModel[dict[str, str | BuildSecret]]):
    """Variables by name. The text form is JSON, as in cdk.json."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _checked(cls, value: Any) -> Any:
        value = _parsed(value) if isinstance(value, str) else value
        if not isinstance(value, Mapping):
            raise ValueError(  # noqa: TRY004 - pydantic reports a ValueError
                'must be an object of variables, like {"API_URL": "https://…", "TOKEN": {"secret": "token"}}'
            )
        for name, given in value.items():
            _check(str(name), given)
        if len(json.dumps(value, default=lambda model: model.model_dump())) > BYTES:
            raise ValueError(f"is longer than {BYTES:,} bytes as JSON")
        if sum(not isinstance(given, str) for given in value.values()) > SECRETS:
            raise ValueError(f"has more than {SECRETS} secrets")
        return value

    @property
    def plain(self) -> dict[str, str]:
        """The plain values by variable."""
        return {name: value for name, value in self.root.items() if isinstance(value, str)}

    @property
    def secrets(self) -> dict[str, str]:
        """The names of secrets by variable."""
        return {name: value.secret for name, value in self.root.items() if isinstance(value, BuildSecret)}

    def __str__(self) -> str:
        return self.model_dump_json()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError("is no JSON") from None


def _check(name: str, value: Any) -> None:
    """Raises ValueError. No message repeats a value."""
    if not _NAME.fullmatch(name):
        raise ValueError("has a name that is none of a variable: letters, digits and _")
    if name.upper() in _OURS or name.upper().startswith(_OURS_BEGIN):
        raise ValueError(f"{name} is set by the workspace itself: choose another name")
    if isinstance(value, BuildSecret):
        value = {"secret": value.secret}
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError(f"{name} has a NUL character, which no variable can have")
        if masked(value) != value:
            raise ValueError(f'{name} looks like a secret: store it, and write {{"secret": "name-of-it"}} here')
    elif not (isinstance(value, Mapping) and set(value) == {"secret"} and isinstance(value["secret"], str)):
        raise ValueError(f'{name} must be a text, or {{"secret": "name"}}')
    elif not _SECRET.fullmatch(value["secret"]):
        raise ValueError(
            f"{name} names a secret with other characters than a-z, 0-9 and inner hyphens, or more than 64"
        )
