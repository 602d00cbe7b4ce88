"""The environments of child processes: built up from an allow-list, never the caller's whole one.

An AWS_PROFILE or AWS_ENDPOINT_URL of the user's shell would otherwise send the local stack's calls to a real account.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from local.home import REPOSITORY_ROOT, Home
from local.strays import STACK_MARK

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
"""How this machine reaches the internet: npm and the model need it."""

HEARTBEAT_AT_MOST = "SITEWRIGHT_HEARTBEAT_AT_MOST"
"""Seconds, for the emulator: lowers every HeartbeatSeconds, which allow for Fargate's cold start. For tests."""

ACCESS_KEY = "test"
SECRET_KEY = "test"  # noqa: S105 - the emulator's own, which it does not check


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


def aws_environment(endpoint_url: str, region: str) -> dict[str, str]:
    """What an AWS SDK needs to find the emulator, and nothing of the user's own configuration."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def service_environment(home: Home, host: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service of the local stack."""
    env = {name: host[name] for name in _HOST if host.get(name)}
    env |= network_environment(host)
    env["PATH"] = os.pathsep.join([*tool_path(), env.get("PATH", os.defpath)])
    env["TMPDIR"] = str(home.tmp)
    env[STACK_MARK] = str(home.root)
    env["PYTHONPATH"] = str(REPOSITORY_ROOT)
    env["PYTHONUNBUFFERED"] = "1"
    env["AWS_CONFIG_FILE"] = env["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    return env
