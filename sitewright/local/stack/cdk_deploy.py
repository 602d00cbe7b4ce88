"""The real CDK command line against the emulator."""

import json
import os
import sys
from typing import Any

from sitewright.local.errors import DeployFailed
from sitewright.local.machine.service_environment import aws_environment, service_environment
from sitewright.local.machine.service_processes import run_group, tail
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home

ACCOUNT = "000000000000"
REGION = "us-west-2"
NO_IMAGE = "local/sitewright-workspace:latest"
"""In the task definition where tasks are host processes."""
CDK = REPOSITORY_ROOT / "tools" / "cdk" / "node_modules" / ".bin" / "cdk"


def cdk(home: Home, endpoint_url: str, sites: list[dict[str, Any]], image: str, *arguments: str) -> None:
    """Runs `cdk …` with the local sites as context. Raises DeployFailed."""
    env = {
        **service_environment(home, os.environ),
        **aws_environment(endpoint_url, REGION),
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        "CI": "true",
    }
    argv = [
        str(CDK),
        *arguments,
        "--app",
        f"{sys.executable} app.py",
        "--output",
        str(home.cdk_out),
        "--context",
        f"workspaceImage={image}",
        "--context",
        f"sites={json.dumps(sites)}",
        "--no-notices",
        "--no-version-reporting",
    ]
    log = home.log / "deploy.log"
    with log.open("ab") as output:
        returncode = run_group(argv, cwd=REPOSITORY_ROOT, env=env, output=output)
    if returncode:
        raise DeployFailed(arguments[0], returncode, log, tail(log, 25))


def bootstrap(home: Home, endpoint_url: str, sites: list[dict[str, Any]], image: str) -> None:
    """`cdk bootstrap`. Raises DeployFailed."""
    cdk(home, endpoint_url, sites, image, "bootstrap", f"aws://{ACCOUNT}/{REGION}")


def deploy(home: Home, endpoint_url: str, sites: list[dict[str, Any]], image: str) -> None:
    """`cdk deploy --all`. Raises DeployFailed."""
    cdk(home, endpoint_url, sites, image, "deploy", "--all", "--require-approval", "never", "--concurrency", "4")
