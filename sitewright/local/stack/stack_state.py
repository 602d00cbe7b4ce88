"""What a home remembers from one `up` to the next: sites, ports, what is deployed."""

import json
from typing import Any

from sitewright.local.machine.ports import PREFERRED, SITE_PORT, choose_port
from sitewright.local.machine.stack_home import Home, write_private
from sitewright.local.stack.services import running
from sitewright.local.stack.site_repositories import without_credentials

Json = dict[str, Any]


def read(home: Home) -> Json:
    """The state as it was written last; an empty one for a new home."""
    try:
        state: Json = json.loads(home.state_file.read_text())
    except (OSError, ValueError):
        state = {"ports": {}, "site_ports": {}, "sites": [], "deployed": []}
    # Written before credentials were refused.
    state["sources"] = {name: without_credentials(url) for name, url in state.get("sources", {}).items()}
    return state


def save(home: Home, state: Json) -> None:
    """Writes it."""
    write_private(home.state_file, json.dumps(state, indent=2))


def choose_ports(home: Home, state: Json) -> None:
    """Every port as remembered where it is ours or free, another where somebody has it."""
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
