"""Reads the secrets of a site as its workspace will. The values go to the checks that use them, and nowhere else."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.cli.doctor.aws_answers import error_code, unseen
from sitewright.cli.doctor.findings import Finding, failed, ok
from sitewright.contracts.names import GITHUB_APP_SECRET, build_secret_parameter, secret_parameter, store_secret
from sitewright.contracts.secrets.secret_text import SecretTextError, single_value
from sitewright.contracts.site_config import SiteConfig

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
    return _of_site(client, client_id, name, secret_parameter(client_id, name), lambda text: single_value(text, keys))


def read_key_file(client: "SSMClient", client_id: str, name: str) -> Finding:
    """Looks for a secret that is a file with a private key. Whether it can sign, the workspace tells."""

    def checked(text: str) -> str:
        if "PRIVATE KEY" not in text:
            raise SecretTextError("is no private key: paste all lines of the file")
        return text

    return _of_site(client, client_id, name, secret_parameter(client_id, name), checked).finding


def read_app(client: "SSMClient", client_id: str) -> Stored:
    """Reads the secret of the GitHub App, which all sites with `github-app` share."""
    remedy = "Store it: docs/github-app.md has the command."
    return _read(client, client_id, "secret github-app", GITHUB_APP_SECRET, store=remedy, parse=_app)


def of_build(client: "SSMClient", site: SiteConfig) -> list[Finding]:
    """Looks for each secret that `buildEnvironment` names. A build takes its text as it is."""
    names = site.build_environment.secrets if site.build_environment else {}
    found = []
    for name in sorted(set(names.values())):
        parameter = build_secret_parameter(site.client_id, name)
        found.append(_of_site(client, site.client_id, f"build/{name}", parameter, _not_empty).finding)
    return found


def _app(text: str) -> str:
    # The workspace knows more forms of the key; see its credentials.
    try:
        found = json.loads(text, strict=False)
    except ValueError as error:
        raise SecretTextError("is no JSON") from error
    if not isinstance(found, dict) or len(found) < 2:
        raise SecretTextError("is no JSON object with appId and privateKey")
    return text


def _not_empty(text: str) -> str:
    if not text.strip():
        raise SecretTextError("is empty: store the value in it")
    return text.strip()


def _of_site(client: "SSMClient", client_id: str, name: str, parameter: str, parse: Callable[[str], str]) -> Stored:
    return _read(
        client, client_id, f"secret {name}", parameter, store=f"Store it: {store_secret(parameter)}", parse=parse
    )


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
