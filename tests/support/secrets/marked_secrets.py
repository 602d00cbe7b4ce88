"""The secrets of a site's workspaces, as a search finds them, and where each may be."""

import base64
import contextlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

import httpx

from sitewright.contracts.names import MODEL_KEY as MODEL_KEY_NAME
from sitewright.contracts.names import secret_parameter
from sitewright.contracts.steps import StepEnv
from tests.support.e2e.stack_driver import Sent, Site
from tests.support.secrets.stack_places import Place

MODEL_KEY = "sk-ant-marked-for-the-tests-5c1d7a"
"""What the site's secret holds. The demo model takes any key."""

INVENTED_BY_AGENT = ("sk-ant-", "shown-by-the-agent-in-tests")
INVENTED_BY_BUILD = ("AKIA", "SHOWNBYTHEBUILDX")
"""Keys that nobody gave the site: the agent and the build join the two halves and show them."""

GIT_TOKEN, TASK_TOKEN, PROXY_TOKEN, ROLE = "git token", "task token", "proxy token", "credential of the task role"
INVENTED = "invented key"

ALLOWED = {
    # The token is the address of a step's result: Step Functions hands it to ECS, and keeps it in its history.
    "parameters of RunTask": {TASK_TOKEN},
    "overrides of a task": {TASK_TOKEN},
    # A step that waits for its workspace, or that the workspace works on.
    "attribute mailbox": {TASK_TOKEN},
    "attribute serving": {TASK_TOKEN},
    # The events of ECS carry the overrides: task_stopped fails the open step with it.
    "event": {TASK_TOKEN},
    # The agent may write down the key that Claude Code was given. It opened the model proxy for that step only.
    # What the agent itself saw stays in its conversation, so that it can go on with it.
    "transcript": {PROXY_TOKEN, INVENTED},
}
"""By the beginning of a place's name: the secrets that are there by design. Nobody but the account's operators reads them."""

_OFFER = re.compile(r'"task_?token": *"([^"]+)"', re.IGNORECASE)


def mark_model_key(site: Site) -> None:
    """Gives the site a model key that a search finds. Before the first command of a session."""
    name = secret_parameter(site.client_id, MODEL_KEY_NAME)
    site.stack.client("ssm").put_parameter(Name=name, Value=MODEL_KEY, Type="SecureString", Overwrite=True)


def fixed_secrets(site: Site) -> dict[str, str]:
    """The secrets that every run of the site has; each form of one under a name of its own."""
    token = site.stack.git_token
    basic = [base64.b64encode(f"{user}:{token}".encode()).decode().rstrip("=") for user in ("x-access-token", "x", "")]
    return {
        GIT_TOKEN: token,
        **{f"{GIT_TOKEN} in a header {number}": text for number, text in enumerate(basic)},
        "model key": MODEL_KEY,
        f"{INVENTED} of the agent": "".join(INVENTED_BY_AGENT),
        f"{INVENTED} of the build": "".join(INVENTED_BY_BUILD),
    }


def offered_tokens(sent: Sent, site: Site) -> set[str]:
    """The task tokens of the session's step that waits or is under way."""
    return set(_OFFER.findall(json.dumps(site.session(sent), default=str)))


def task_tokens(sent: Sent, site: Site) -> set[str]:
    """The task tokens of the session: of its tasks, running and stopped, and of the step that waits or is under way."""
    ecs, found = site.stack.client("ecs"), offered_tokens(sent, site)
    for cluster in ecs.list_clusters()["clusterArns"]:
        for status in ("RUNNING", "STOPPED"):
            arns = ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]
            for task in ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []:
                for override in task["overrides"]["containerOverrides"]:
                    env = {variable["name"]: variable["value"] for variable in override.get("environment", [])}
                    if env.get(StepEnv.SESSION_ID) == sent.session_id:
                        found.add(env[StepEnv.TASK_TOKEN])
    return found


def model_tokens(processes: Iterable[int]) -> set[str]:
    """The keys in the environments of Claude Code's processes, as root of the host sees them."""
    found = set()
    for pid in processes:
        with contextlib.suppress(OSError):
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            found |= {
                line.partition(b"=")[2].decode() for line in environment if line.startswith(b"ANTHROPIC_API_KEY=")
            }
    return found - {""}


def role_credentials(processes: Iterable[int]) -> set[str]:
    """What the task roles of workspaces sign with, and the address that hands it out."""
    found = set()
    for pid in processes:
        with contextlib.suppress(OSError):
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            for line in environment:
                name, _, url = line.decode(errors="replace").partition("=")
                if name == "AWS_CONTAINER_CREDENTIALS_FULL_URI":
                    handed = httpx.get(url, trust_env=False).json()
                    found |= {url.rpartition("/")[2], handed["SecretAccessKey"], handed["Token"]}
    return found


def leaks(places: Iterable[Place], secrets: dict[str, str]) -> list[str]:
    """Which secret is where it must not be."""
    found = []
    for place in places:
        allowed = next((names for start, names in ALLOWED.items() if place.name.startswith(start)), set())
        for name, secret in secrets.items():
            if secret.encode() in place.content and not any(name.startswith(kind) for kind in allowed):
                found.append(f"{name} in {place.name}")
    return sorted(set(found))
