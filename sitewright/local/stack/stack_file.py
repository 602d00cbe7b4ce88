"""`stack.json`: the URLs, names and ARNs of a running stack."""

import json
from typing import Any

from sitewright.local.aws_clients import Aws
from sitewright.local.errors import NotRunning
from sitewright.local.machine.ports import PREFERRED
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack.cdk_deploy import ACCOUNT, REGION
from sitewright.local.stack.services import loopback, running

Json = dict[str, Any]


def load(home: Home, *, whole: bool = False) -> Json:
    """Reads `stack.json`. With `whole`, all services must run, not only the emulator. Raises NotRunning."""
    try:
        data: Json = json.loads(home.stack_file.read_text())
    except (OSError, ValueError) as error:
        raise NotRunning from error
    if not running(home, "emulator"):
        raise NotRunning("The local stack was started, but its emulator is gone.")
    needed = [name for name in (*PREFERRED, "website") if name != "demo-model" or data["demo_model_url"]]
    gone = [name for name in needed if not running(home, name)]
    if whole and gone:
        raise NotRunning(f"The local stack is half down: {', '.join(gone)} is gone.")
    return data


def describe(home: Home, state: Json, aws: Aws, model_url: str | None) -> Json:
    """The content of `stack.json` for a deployed stack."""
    platform = _outputs(aws, "Sitewright-Platform")
    sites = []
    for client in state["sites"]:
        site = _outputs(aws, f"Sitewright-Site-{client}")
        sites.append(
            {
                "client_id": client,
                "site_url": site["SiteUrl"],
                "bucket": site["SiteBucket"],
                "state_machine_arn": site["StateMachineArn"],
                "git_remote": loopback(state["ports"]["git-host"], f"/{client}.git"),
                "git_dir": str(home.git / f"{client}.git"),
            }
        )
    first = {key: sites[0][key] for key in ("site_url", "bucket", "git_remote", "state_machine_arn")}
    return {
        "endpoint_url": aws.endpoint_url,
        "region": REGION,
        "account": ACCOUNT,
        "input_queue_url": platform["InputQueueUrl"],
        "response_queue_url": platform["ResponseQueueUrl"],
        "dead_letter_queue_url": platform["DeadLetterQueueUrl"],
        **first,
        "cluster": platform["ClusterName"],
        "tables": {
            "sessions": platform["SessionsTable"],
            "commands": platform["CommandsTable"],
            "deployments": platform["DeploymentsTable"],
        },
        "artifacts_bucket": platform["ArtifactsBucket"],
        "git_host_url": loopback(state["ports"]["git-host"]),
        "git_token_file": str(home.token_file),
        "runtime": "docker" if state["engine"] else "process",
        "engine": state["engine"],
        "demo_model_url": model_url if running(home, "demo-model") else None,
        "sites": sites,
    }


def _outputs(aws: Aws, stack: str) -> dict[str, str]:
    found = aws.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    return {output["OutputKey"]: output["OutputValue"] for output in found}
