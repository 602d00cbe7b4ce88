"""The services of a local stack, each with its arguments and environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sitewright.contracts.names import site_host
from sitewright.contracts.site_config import DEFAULT_DOMAIN
from sitewright.local.machine.guest_users import obstacle, open_for_guests
from sitewright.local.machine.service_environment import (
    ACCESS_KEY,
    DECISIONS_FILE,
    HEARTBEAT_AT_MOST,
    ORDERS_FILE,
    SECRET_KEY,
    VCPU_LIMIT,
    VCPU_LIMIT_FILE,
    engine_environment,
)
from sitewright.local.machine.stack_home import Home
from sitewright.local.progress import Report
from sitewright.local.stack.cdk_deploy import REGION
from sitewright.local.stack.services import ensure, loopback
from sitewright.local.stack.workspace_runtime import ContainerSetup

Json = dict[str, Any]
DEMO_KEY = "demo"


@dataclass(frozen=True)
class EmulatorProgram:
    """The module that is run as the emulator, and its own environment variables. A wrapper may measure requests."""

    module: str = "sitewright.local.emulator"
    environment: Mapping[str, str] = field(default_factory=dict)


EMULATOR = EmulatorProgram()


def start(
    home: Home, state: Json, containers: ContainerSetup | None, emulator: EmulatorProgram, report: Report
) -> tuple[str | None, str]:
    """Starts the services that do not run. Returns the model's URL (None: Anthropic's own) and key.

    Raises ServiceFailed.
    """
    ports, endpoint = state["ports"], loopback(state["ports"]["emulator"])
    _emulator(home, emulator, ports["emulator"], endpoint)
    root, token, port = str(home.git), str(home.token_file), ports["git-host"]
    arguments = ["sitewright.local.git_host", "--root", root, "--token-file", token, "--port", str(port)]
    ensure(home, "git-host", arguments, url=loopback(port, "/healthz"))
    _ecs(home, ports["ecs"], endpoint, containers, report)
    website = ["sitewright.local.website", "--endpoint", endpoint, "--region", REGION]
    for client in state["sites"]:
        website += ["--site", f"{site_host(client, DEFAULT_DOMAIN)}={state['site_ports'][client]}"]
    ensure(home, "website", website, url=loopback(state["site_ports"][state["sites"][-1]]))
    return _model(home, ports["demo-model"], report)


def _emulator(home: Home, program: EmulatorProgram, port: int, endpoint: str) -> None:
    environment = {
        "BIND_HOST": "127.0.0.1",
        # Checks signatures and IAM policies.
        "AUTH": "true",
        DECISIONS_FILE: str(home.decisions),
        ORDERS_FILE: str(home.orders),
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "S3_DATA_DIR": str(home.emulator / "s3"),
        # Its MQTT broker listens on 0.0.0.0:8883 and its SFTP server on 0.0.0.0:2222, whatever BIND_HOST says.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # With Docker, MiniStack would run the ECS tasks itself, beside our ECS service.
        "DOCKER_HOST": f"unix://{home.emulator}/no-docker.sock",
    }
    environment[VCPU_LIMIT_FILE] = str(home.vcpu_limit)
    if vcpus := os.environ.get(VCPU_LIMIT):
        environment[VCPU_LIMIT] = vcpus
    if at_most := os.environ.get(HEARTBEAT_AT_MOST):
        environment[HEARTBEAT_AT_MOST] = at_most
    environment |= program.environment
    ensure(home, "emulator", [program.module], url=f"{endpoint}/_ministack/health", extra=environment)


def _ecs(home: Home, port: int, endpoint: str, containers: ContainerSetup | None, report: Report) -> None:
    arguments = ["sitewright.local.ecs", "--endpoint", endpoint, "--region", REGION, "--home", str(home.root)]
    arguments += ["--port", str(port), "--start-delay", os.environ.get("SITEWRIGHT_START_DELAY", "0")]
    if containers:
        arguments += ["--engine", containers.engine.text, *([] if containers.limited else ["--no-limits"])]
    elif reason := obstacle(home):
        report(f"workspaces share one user with their agent and build ({reason}): your own sites only")
    else:
        open_for_guests(home)
        arguments.append("--two-users")
    extra = engine_environment(os.environ) if containers else None
    ensure(home, "ecs", arguments, url=loopback(port, "/healthz"), extra=extra)


def _model(home: Home, port: int, report: Report) -> tuple[str | None, str]:
    if key := os.environ.get("ANTHROPIC_API_KEY"):
        report("the model: Anthropic's, or what ANTHROPIC_BASE_URL names")
        return os.environ.get("ANTHROPIC_BASE_URL"), key
    arguments = ["sitewright.local.demo_model", "--port", str(port)]
    ensure(home, "demo-model", arguments, url=loopback(port, "/healthz"))
    report("the model: a small stand-in (set ANTHROPIC_API_KEY for the real one)")
    return loopback(port), DEMO_KEY
