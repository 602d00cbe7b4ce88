"""The real CDK command line against the emulator."""

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from sitewright.local.aws_clients import Aws
from sitewright.local.errors import DeployFailed
from sitewright.local.machine.service_environment import operator_environment, service_environment
from sitewright.local.machine.service_processes import run_group, tail
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home

ACCOUNT = "000000000000"
REGION = "us-west-2"
NO_IMAGE = "local/sitewright-workspace:latest"
"""In the task definition where tasks are host processes."""
_PACKAGES = REPOSITORY_ROOT / "tools" / "cdk" / "node_modules"
CDK = _PACKAGES / ".bin" / "cdk"
_BOOTSTRAP = _PACKAGES / "aws-cdk" / "lib" / "api" / "bootstrap" / "bootstrap-template.yaml"
_BOOTSTRAP_STACK = "CDKToolkit"
_BOOTSTRAP_SECONDS = 60.0


def cdk(home: Home, endpoint_url: str, sites: list[dict[str, Any]], image: str, *arguments: str) -> None:
    """Synthesizes the app with the local sites as context, and runs `cdk …` on it. Raises DeployFailed."""
    app = ["--app", f"{sys.executable} app.py", "--output", str(home.cdk_out)]
    context = ["--context", f"workspaceImage={image}", "--context", f"sites={json.dumps(sites)}"]
    _run(home, endpoint_url, REPOSITORY_ROOT, *arguments, *app, *context)


def synthesized(home: Home, endpoint_url: str, *arguments: str) -> None:
    """Runs `cdk …` on the newest synthesized app. Raises DeployFailed."""
    _run(home, endpoint_url, REPOSITORY_ROOT, *arguments, "--app", str(home.cdk_out))


def bootstrap(home: Home, aws: Aws) -> None:
    """Creates the stack of `cdk bootstrap` from its own template. The command takes 4 s of a core. Raises DeployFailed.

    What the command adds to the template's defaults: a key of AWS in place of one that costs (its `--help`).
    """
    client = aws.cloudformation
    with contextlib.suppress(client.exceptions.AlreadyExistsException):  # an `up` was interrupted here
        client.create_stack(
            StackName=_BOOTSTRAP_STACK,
            TemplateBody=_BOOTSTRAP.read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": "FileAssetsBucketKmsKeyId", "ParameterValue": "AWS_MANAGED_KEY"}],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
    deadline = time.monotonic() + _BOOTSTRAP_SECONDS
    while (stack := client.describe_stacks(StackName=_BOOTSTRAP_STACK)["Stacks"][0])[
        "StackStatus"
    ] != "CREATE_COMPLETE":
        if not stack["StackStatus"].endswith("_IN_PROGRESS") or time.monotonic() > deadline:
            said = f"{stack['StackStatus']}: {stack.get('StackStatusReason', '')}"
            raise DeployFailed("bootstrap", 1, home.log / "emulator.log", said)
        time.sleep(0.05)


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
