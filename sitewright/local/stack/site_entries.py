"""The sites of a local stack: their repositories, and their entries in the CDK context."""

import json
import os
from pathlib import Path
from typing import Any

from sitewright.contracts.site_config import SiteConfig, SiteConfigError
from sitewright.local.errors import BadSetting
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack.services import loopback
from sitewright.local.stack.site_repositories import ensure_repository

Json = dict[str, Any]

_OURS = {"clientId", "repository", "siteUrl", "modelBaseUrl", "https", "gitAuth", "modelProvider"}
"""Settings that the local stack knows better: its addresses, its git host and its model."""


def check_name(client: str) -> None:
    """Raises BadSetting for a name that is no clientId."""
    try:
        SiteConfig.parse({"clientId": client, "repository": "http://127.0.0.1/x.git"}, 0)
    except SiteConfigError as error:
        raise BadSetting(f"{client!r} is no clientId.", "Use lower case letters, digits and inner hyphens.") from error


def provide_repository(home: Home, state: Json, client: str, source: str | None) -> None:
    """Makes the site's bare repository from `source` or from the demo site. Raises BadSetting."""
    bare, sources = home.git / f"{client}.git", state["sources"]
    if source and bare.exists() and sources.get(client) != source:
        raise BadSetting(
            f"{client} has a repository already (from {sources.get(client) or 'the demo site'}).",
            f"Name another --client, or remove {bare} while the stack is down.",
        )
    ensure_repository(bare, source, state.get("settings", {}).get(client, {}).get("directory", ""))
    if source:
        sources[client] = source


def keep_settings(state: Json, client: str, file: Path) -> None:
    """Takes over a site's settings from a JSON file. Raises BadSetting."""
    try:
        given = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise BadSetting(f"--settings {file}: cannot be read: {error}.", "Name a file with a JSON object.") from error
    if not isinstance(given, dict):
        raise BadSetting(f"--settings {file}: is no JSON object.", 'Write {"output": "website"}.')
    if ours := sorted(_OURS & set(given)):
        raise BadSetting(f"--settings {file}: the local stack sets {', '.join(ours)} itself.", "Leave it out.")
    try:
        site = SiteConfig.parse({**given, "clientId": client, "repository": "http://127.0.0.1/x.git"}, 0)
    except SiteConfigError as error:
        raise BadSetting(
            f"--settings {file}: {error}", "Correct it; docs/configuration.md has every setting."
        ) from error
    # As the contract writes it: without slashes at its end.
    folder = {"directory": site.directory} if site.directory else {}
    state.setdefault("settings", {})[client] = {**given, **folder}


def config(state: Json, client: str, model_url: str | None) -> Json:
    """The site's entry in the context `sites`. Raises BadSetting."""
    site: Json = state.get("settings", {}).get(client, {}) | {
        "clientId": client,
        "repository": loopback(state["ports"]["git-host"], f"/{client}.git"),
        "siteUrl": loopback(state["site_ports"][client]),
    }
    if model_url:
        site["modelBaseUrl"] = model_url
    idle = idle_seconds(os.environ.get("SITEWRIGHT_IDLE_SECONDS", ""), client)
    if idle is not None:
        site["idleSeconds"] = idle
    return site


def idle_seconds(text: str, client: str) -> int | None:
    """A site's `idleSeconds` from `60` (every site's) or `amelia=60,bruno=0`; None leaves the default.

    Raises BadSetting.
    """
    found = None
    for part in filter(None, text.split(",")):
        name, _, seconds = part.rpartition("=")
        if not seconds.isdecimal():
            raise BadSetting(f"SITEWRIGHT_IDLE_SECONDS: {part!r} is no number of seconds.", "Write 60, or amelia=60.")
        if name in {"", client}:
            found = int(seconds)
    return found
