"""The variables of a site's installation and build. The values of secrets appear in no log, answer or error."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.names import build_secret_parameter, store_secret
from sitewright.contracts.secrets.secret_shapes import MASK
from workspace.build.failure_cause import BuildPart
from workspace.build.running.build_failed import BuildFailed
from workspace.step_context import StepContext

SHORTEST = 6
"""A shorter text occurs in other words, so it cannot be masked."""


@dataclass(frozen=True)
class BuildVariables:
    """Variables with their values."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """The texts that nobody may see: the secrets' values, and other forms of them."""

    @classmethod
    def read(cls, ctx: StepContext) -> "BuildVariables":
        """Reads the secrets of the site's build and keeps them out of the log.

        Raises BuildFailed (BUILD_VARIABLE_MISSING) for a secret that is not stored or not readable.
        """
        wanted = ctx.settings.build_environment
        if wanted is None:
            return cls()
        secrets = {name: _secret(ctx, name, secret) for name, secret in wanted.secrets.items()}
        hidden = tuple(dict.fromkeys(form for value in secrets.values() for form in forms(value)))
        for text in hidden:
            ctx.hide(text)
        return cls({**wanted.plain, **secrets}, hidden)

    @property
    def identity(self) -> str:
        """What an installation may depend on, as JSON: names, and plain values. A new value of a secret is none."""
        return json.dumps(
            {name: None if value in self.hidden else value for name, value in sorted(self.values.items())}
        )

    def clean(self, text: str) -> str:
        """Returns the text without the secrets."""
        return cleaned(text, self.hidden)


def hidden_from_agent(ctx: StepContext) -> tuple[str, ...]:
    """Returns the texts that the agent's words may not have: a build may have left one in a file.

    The agent has none of the variables. A secret that cannot be read is no reason to stop it.
    """
    try:
        return BuildVariables.read(ctx).hidden
    except BuildFailed as error:
        ctx.log("secrets of the build cannot be read", level="warning", error=str(error))
        return ()


def forms(value: str) -> list[str]:
    """Returns the forms in which programs print a secret: bare, in JSON, in a URL, in base64, each of its lines. Pure."""
    lines = [line.strip() for line in value.splitlines()]
    made = [value, quote(value, safe=""), quote(value), *(lines if len(lines) > 1 else ())]
    made += [json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)]
    encoded = base64.b64encode(value.encode()).decode()
    made += [encoded, encoded.rstrip("=")]
    # Longer texts first: a short one may be a part of them.
    return sorted({text for text in made if len(text) >= SHORTEST}, key=len, reverse=True)


def cleaned(text: str, hidden: tuple[str, ...], mask: str = MASK) -> str:
    """Returns the text with a mask in place of what is hidden. Pure."""
    for secret in hidden:
        text = text.replace(secret, mask)
    return text


def _secret(ctx: StepContext, variable: str, secret: str) -> str:
    parameter = build_secret_parameter(ctx.settings.client_id, secret)
    read: Callable[[str], str] = ctx.aws.secret
    try:
        value = read(parameter)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        why = "is not stored" if code == "ParameterNotFound" else f"cannot be read ({code})"
        message = f"The build needs {variable}, and its secret {why}. Store it: {store_secret(parameter)}"
        raise BuildFailed(message, BuildPart.VARIABLE, code=ErrorCode.BUILD_VARIABLE_MISSING) from error
    except BotoCoreError as error:
        raise BuildFailed(f"The secret of {variable} cannot be read: {error}", BuildPart.MACHINE) from error
    if not value:
        message = f"The build needs {variable}, and its secret is empty. Store it: {store_secret(parameter)}"
        raise BuildFailed(message, BuildPart.VARIABLE, code=ErrorCode.BUILD_VARIABLE_MISSING)
    return value
