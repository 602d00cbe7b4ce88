"""The state of a home between two `up`: sites, ports, and the deployed configuration."""

import json
from typing import Any

from sitewright.local.machine.ports import PREFERRED, SITE_PORT, choose_port
from sitewright.local.machine.stack_home import Home, write_private
from sitewright.local.stack.services import running
from sitewright.local.stack.site_repositories import without_credentials

Json = dict[str, Any]


def read(home: Home) -> Json:
    """Reads the state; an empty one for a new home."""
    try:
        state: Json = json.loads(home.state_file.read_text())
    except (OSError, ValueError):
        state = {"ports": {}, "site_ports": {}, "sites": [], "deployed": []}
    # Older versions stored URLs with credentials.
    state["sources"] = {name: without_credentials(url) for name, url in state.get("sources", {}).items()}
    return state


def save(home: Home, state: Json) -> None:
    """Writes the state."""
    write_private(home.state_file, json.dumps(state, indent=2))


def choose_ports(home: Home, state: Json) -> None:
    """Keeps every known port that is ours or free, and chooses another one if it is in use."""
    taken: set[int] = {*state["ports"].values(), *state["site_ports"].values()}
    for name, preferred in PREFERRED.items():
        if not running(home, name):
            known = state["ports"].get(name, preferred)
            state["ports"][name] = choose_port(known, taken - {known})
            taken.add(state["ports"][name])
    for number, client in enumerate(state["sites"]):
        if client not in state["site_ports"] or not running(home, "website"):
            known = state["site_ports"].get(client, SITE_PORT + number)
            state["site_ports"][client] = choose_port(
                known, taken - {known} if client in state["site_ports"] else taken
            )
            taken.add(state["site_ports"][client])
