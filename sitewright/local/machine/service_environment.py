"""Builds the environments of child processes from an allow-list.

An AWS_PROFILE or AWS_ENDPOINT_URL of the user's shell would otherwise send the local stack's calls to a real account.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sitewright.local.machine.marked_processes import STACK_MARK
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home

_HOST = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM", "SHELL")

_NETWORK = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
)
"""Proxies and certificates of this machine: npm and the model need them."""

_PROXIES = ("http_proxy", "https_proxy", "no_proxy")

HEARTBEAT_AT_MOST = "SITEWRIGHT_HEARTBEAT_AT_MOST"
"""Seconds, for the emulator: lowers every HeartbeatSeconds, which allow for Fargate's cold start. For tests."""

DECISIONS_FILE = "SITEWRIGHT_DECISIONS_FILE"
"""For the emulator: the file that gets each right that a role used, or lacked."""

VCPU_LIMIT = "SITEWRIGHT_VCPU_LIMIT"
"""The most vCPUs of all tasks at once, for the emulator."""

VCPU_LIMIT_FILE = "SITEWRIGHT_VCPU_LIMIT_FILE"
"""For the emulator: a file with a limit, which replaces that of VCPU_LIMIT while it exists. For tests."""

ORDERS_FILE = "SITEWRIGHT_ORDERS_FILE"
"""For the emulator: the file that changes when a task is ordered or stopped."""

ACCESS_KEY = "test"
SECRET_KEY = "test"  # noqa: S105
"""The emulator's root user: the local stack's tools, as an operator of the account. Tasks and functions have roles."""


def tool_path() -> list[str]:
    """Folders that go before the rest of PATH: the virtual environment, which has Python, node and npm."""
    return [str(Path(sys.executable).parent)]


def network_environment(host: Mapping[str, str]) -> dict[str, str]:
    """Proxies and certificate bundles of the host; loopback never goes through a proxy."""
    env = {name: host[name] for name in _NETWORK if host.get(name)}
    for name in ("NO_PROXY", "no_proxy"):
        kept = [part for part in env.get(name, "").split(",") if part]
        env[name] = ",".join(dict.fromkeys([*kept, "127.0.0.1", "localhost"]))
    return env


def operator_environment(endpoint_url: str, region: str) -> dict[str, str]:
    """`aws_environment`, with the credentials of the emulator's root user."""
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    return {**aws_environment(endpoint_url, region), **keys}


NO_PLUGINS = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""pydantic looks for plugins in the metadata of each installed package: 0.1 s of a core at each start of a program.

Source: https://docs.pydantic.dev/latest/concepts/plugins/
"""


def aws_environment(endpoint_url: str, region: str) -> dict[str, str]:
    """The variables with which an AWS SDK finds the emulator and ignores the user's own configuration."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


_ENGINE = (
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK",
)
_ENGINE_PREFIXES = ("DOCKER_", "BUILDKIT_", "BUILDX_", "CONTAINER_", "CONTAINERS_", "BUILDAH_")


def engine_environment(host: Mapping[str, str]) -> dict[str, str]:
    """The environment of Docker or Podman: where its engine is.

    Without the stack's mark and TMPDIR: what Podman leaves running beside a container must not be taken for ours.
    """
    names = [*_HOST, *_NETWORK, *_ENGINE, *(name for name in host if name.startswith(_ENGINE_PREFIXES))]
    return {name: host[name] for name in names if host.get(name)}


def container_network(host: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """`network_environment` for a container, and the options that mount the certificate bundles it names."""
    env, options = network_environment(host), []
    env.pop("SSL_CERT_DIR", None)  # links to other folders
    for name in [name for name in env if name.lower() not in _PROXIES]:
        path = Path(env[name]).absolute()
        if path.is_file() and ":" not in str(path):
            env[name] = str(path)
            options.append(f"--volume={path}:{path}:ro")
        else:
            del env[name]
    return env, list(dict.fromkeys(options))


def service_environment(home: Home, host: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service of the local stack."""
    env = {name: host[name] for name in _HOST if host.get(name)}
    env |= network_environment(host)
    env["PATH"] = os.pathsep.join([*tool_path(), env.get("PATH", os.defpath)])
    env["TMPDIR"] = str(home.tmp)
    env[STACK_MARK] = str(home.root)
    env["PYTHONPATH"] = str(REPOSITORY_ROOT)
    env["PYTHONUNBUFFERED"] = "1"
    env |= NO_PLUGINS
    env["AWS_CONFIG_FILE"] = env["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    return env
