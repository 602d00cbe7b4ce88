"""The real CDK command line against the emulator."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from sitewright.local.errors import DeployFailed
from sitewright.local.machine.service_environment import operator_environment, service_environment
from sitewright.local.machine.service_processes import run_group, tail
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home

ACCOUNT = "000000000000"
REGION = "us-west-2"
NO_IMAGE = "local/sitewright-workspace:latest"
"""In the task definition where tasks are host processes."""
CDK = REPOSITORY_ROOT / "tools" / "cdk" / "node_modules" / ".bin" / "cdk"


def cdk(home: Home, endpoint_url: str, sites: list[dict[str, Any]], image: str, *arguments: str) -> None:
    """Synthesizes the app with the local sites as context, and runs `cdk …` on it. Raises DeployFailed."""
    app = ["--app", f"{sys.executable} app.py", "--output", str(home.cdk_out)]
    context = ["--context", f"workspaceImage={image}", "--context", f"sites={json.dumps(sites)}"]
    _run(home, endpoint_url, REPOSITORY_ROOT, *arguments, *app, *context)


def synthesized(home: Home, endpoint_url: str, *arguments: str) -> None:
    """Runs `cdk …` on the newest synthesized app. Raises DeployFailed."""
    _run(home, endpoint_url, REPOSITORY_ROOT, *arguments, "--app", str(home.cdk_out))


def bootstrap(home: Home, endpoint_url: str) -> None:
    """`cdk bootstrap`. Raises DeployFailed."""
    # In the home, because there is no cdk.json. With an app the command synthesizes it first, which takes 10 s of a core.
    _run(home, endpoint_url, home.root, "bootstrap", f"aws://{ACCOUNT}/{REGION}")


def deploy(home: Home, endpoint_url: str, sites: list[dict[str, Any]], image: str) -> None:
    """`cdk deploy --all`. Raises DeployFailed."""
    cdk(home, endpoint_url, sites, image, "deploy", "--all", "--require-approval", "never", "--concurrency", "4")


def _run(home: Home, endpoint_url: str, cwd: Path, *arguments: str) -> None:
    env = {
        **service_environment(home, os.environ),
        **operator_environment(endpoint_url, REGION),
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        "CI": "true",
        # CDK's own check of the templates takes 8 s of a core. `cdk synth` and a deployment to AWS still run it.
        "CDK_VALIDATION": "false",
    }
    log = home.log / "deploy.log"
    with log.open("ab") as output:
        argv = [str(CDK), *arguments, "--no-notices", "--no-version-reporting"]
        returncode = run_group(argv, cwd=cwd, env=env, output=output)
    if returncode:
        raise DeployFailed(arguments[0], returncode, log, tail(log, 25))
