"""Reads the secrets of a site as its workspace will. The values go to the checks that use them, and nowhere else."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.cli.doctor.aws_answers import error_code, unseen
from sitewright.cli.doctor.findings import Finding, failed, ok
from sitewright.contracts.names import GITHUB_APP_SECRET, secret_parameter, store_secret
from sitewright.contracts.secrets.secret_text import SecretTextError, single_value

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


@dataclass(frozen=True)
class Stored:
    """A secret that was looked for."""

    finding: Finding
    value: str | None = field(repr=False, default=None)
    """None if it is missing, unreadable or of a wrong form."""


def read(client: "SSMClient", client_id: str, name: str, keys: Sequence[str]) -> Stored:
    """Reads a secret of the site. `keys` are those under which a JSON object may hold it."""
    parameter = secret_parameter(client_id, name)
    remedy = f"Store it: {store_secret(parameter)}"
    return _read(
        client, client_id, f"secret {name}", parameter, store=remedy, parse=lambda text: single_value(text, keys)
    )


def read_app(client: "SSMClient", client_id: str) -> Stored:
    """Reads the secret of the GitHub App, which all sites with `github-app` share."""
    remedy = "Store it: docs/github-app.md has the command."
    return _read(client, client_id, "secret github-app", GITHUB_APP_SECRET, store=remedy, parse=_app)


def _app(text: str) -> str:
    # The workspace knows more forms of the key; see its credentials.
    try:
        found = json.loads(text, strict=False)
    except ValueError as error:
        raise SecretTextError("is no JSON") from error
    if not isinstance(found, dict) or len(found) < 2:
        raise SecretTextError("is no JSON object with appId and privateKey")
    return text


def _read(
    client: "SSMClient", client_id: str, check: str, parameter: str, *, store: str, parse: Callable[[str], str]
) -> Stored:
    try:
        value = parse(client.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"])
    except ClientError as error:
        if error_code(error) != "ParameterNotFound":
            return Stored(unseen(check, "ssm:GetParameter", error, client_id))
        return Stored(failed(check, "nothing is stored.", store, client_id))
    except BotoCoreError as error:
        return Stored(unseen(check, "ssm:GetParameter", error, client_id))
    except SecretTextError as error:
        return Stored(failed(check, f"{error}.", store, client_id))
    return Stored(ok(check, "is stored.", client_id), value)
