"""The sites of a local stack: their repositories, and their entries in the CDK context."""

import os
from typing import Any

from sitewright.contracts.site_config import SiteConfig, SiteConfigError
from sitewright.local.errors import BadSetting
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack.services import loopback
from sitewright.local.stack.site_repositories import ensure_repository

Json = dict[str, Any]


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
    ensure_repository(bare, source)
    if source:
        sources[client] = source


def config(state: Json, client: str, model_url: str | None) -> Json:
    """The site's entry in the context `sites`. Raises BadSetting."""
    site: Json = {
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
