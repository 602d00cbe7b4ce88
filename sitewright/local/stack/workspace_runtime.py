"""Chooses where workspaces run: as host processes, or in containers of Docker or Podman."""

import os
from dataclasses import dataclass
from typing import Any

from sitewright.local.containers.container_engine import STACK_LABEL, Engine, EngineError
from sitewright.local.containers.workspace_image import provide, try_out
from sitewright.local.errors import BadSetting
from sitewright.local.machine.stack_home import Home
from sitewright.local.progress import Report
from sitewright.local.stack import stack_state as states
from sitewright.local.stack.services import running

Json = dict[str, Any]
RUNTIMES = ("process", "docker")


@dataclass(frozen=True)
class ContainerSetup:
    """The engine and image of workspaces that run in containers."""

    engine: Engine
    image: str
    limited: bool


def choose_engine(home: Home, runtime: str | None) -> Engine | None:
    """The engine that runs workspaces; None for host processes. Raises BadSetting, NoEngine."""
    if runtime not in {None, *RUNTIMES}:
        raise BadSetting(f"There is no runtime {runtime!r}.", f"Use {' or '.join(f'`{name}`' for name in RUNTIMES)}.")
    if runtime is None and running(home, "emulator"):
        text = states.read(home).get("engine")
        return Engine.parse(text) if text else None
    return Engine.find(os.environ) if runtime == "docker" else None


def containers_of(home: Home, state: Json, engine: Engine, report: Report) -> ContainerSetup:
    """Builds the image and tries it once. Raises ImageFailed."""
    image = provide(engine, home, report)
    tried = state.get("tried")
    if not tried or tried[:2] != [engine.text, image]:
        state["tried"] = tried = [engine.text, image, try_out(engine, image, report)]
    return ContainerSetup(engine, image, bool(tried[2]))


def remove_containers(home: Home, engine: str, report: Report) -> int:
    """Removes the containers that a killed ECS service left behind."""
    try:
        return Engine.parse(engine).remove_stack(home.root)
    except EngineError as error:
        report(f"{engine} does not answer ({error}): containers with the label {STACK_LABEL}={home.root} may be left")
        return 0
