"""Derives names from ids: executions, branches, buckets, keys."""

import hashlib
import re

METRICS_NAMESPACE = "Sitewright"
"""CloudWatch namespace of the functions' metrics."""

SITE_PARAMETER_PREFIX = "/sitewright/sites/"
"""Prefix of the SSM parameters. Each SiteStack registers its SiteEntry in one, and intake looks a client up there."""

GIT_TOKEN, MODEL_KEY, SIGNING_KEY = "git-token", "model-key", "signing-key"
"""Names of a site's secrets."""

GITHUB_APP_SECRET = "/sitewright/github-app"
"""Name of the SSM parameter with the GitHub App of all sites."""

CLIENT_TAG = "sitewright:client"
"""Tag of every resource that belongs to one site. Billing shows costs by it, once it is activated there."""

BUCKET_PREFIXES = ("edit.", "sitewright-")
"""How the name of a site's bucket begins. The functions that all sites share may list no other bucket."""

EVENT_SOURCE = "sitewright"
"""EventBridge source of the service's events."""

NOT_STARTED = "Command Not Started"
"""EventBridge detail-type of a command that ends without a run: rejected, or superseded before it began."""

SITES_OF_A_CDN_STACK = 50
"""Sites that share one stack. CloudFront lets 100 distributions share a function, an access control or a policy.

A site that is removed from the list moves the ones behind it up. With half of the quota a stack has room for its old
and its new sites while they move. Source: CloudFront developer guide, "Quotas" (cloudfront-limits.html).
"""

CLUSTER = "sitewright"
"""Name of the ECS cluster. Site stacks refer to it by name, so that no export of the platform ties them to it."""

ANSWER_MACHINE = "sitewright_answers"
"""Name of the state machine that waits for saved work. It begins unlike a site's: the event rule of ended runs is for those."""

ANSWER_SOURCE = "sitewright.answers"
"""Source of what that state machine sends to respond."""

WORKSPACE_CONTAINER = "workspace"
"""Name of the container in the workspace's task definition."""

IMAGE_REPOSITORY = "sitewright/workspace"
"""Name of the ECR repository of the workspace image."""

IMAGE_BUILD_PROJECT = "sitewright-workspace-image"
"""Name of the CodeBuild project that builds the workspace image."""

EXECUTION_NAME_LIMIT = 80
"""Maximum length of the `name` of StartExecution (Step Functions API reference)."""


def execution_name(session_id: str, command_id: str) -> str:
    """Returns the run's name: the readable part of the command's id, and a digest.

    The digest covers the session too, because two sessions of a site may use the same commandId.
    """
    digest = hashlib.sha256(f"{session_id}\n{command_id}".encode()).hexdigest()[:10]
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", command_id)[: EXECUTION_NAME_LIMIT - len(digest) - 1]
    return f"{readable}-{digest}"


def secret_parameter(client_id: str, name: str) -> str:
    """Returns the name of the SSM parameter with a site's secret. It begins with the client, so a role can be cut to it."""
    return f"/sitewright/secrets/{client_id}/{name}"


def build_secret_parameter(client_id: str, name: str) -> str:
    """Returns the name of the SSM parameter with a secret of a site's build. It never is the git token's or the model's."""
    return secret_parameter(client_id, f"build/{name}")


def store_secret(parameter: str) -> str:
    """Returns the command that stores a secret. CloudFormation cannot create such a parameter.

    Source: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html, `Type`.
    """
    return f"aws ssm put-parameter --type SecureString --overwrite --name {parameter} --value …"


def function_name(module: str) -> str:
    """Returns the name of the Lambda function of a folder in `lambdas/`."""
    return f"sitewright-{module.replace('_', '-')}"


def state_machine_name(client_id: str) -> str:
    """Returns the name of a site's state machine."""
    return f"sitewright-{client_id}"


def run_log_group(client_id: str) -> str:
    """Returns the log group of a site's runs.

    Step Functions names each group in the account's one resource policy for log delivery, which has 5,120 characters.
    Groups with this prefix share an entry: https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
    """
    return f"/aws/vendedlogs/states/{state_machine_name(client_id)}"


def execution_of(client_id: str, session_id: str, command_id: str) -> str:
    """Returns the end of a run's ARN: the state machine's name and the run's."""
    return f"{state_machine_name(client_id)}:{execution_name(session_id, command_id)}"


def workspace_log_group(client_id: str) -> str:
    """Returns the log group of a site's workspaces; `*` stands for every site."""
    return f"/sitewright/{client_id}/workspace"


def task_start_role_name(region: str) -> str:
    """Returns the name of the role in which ECS starts all sites' tasks. Names of roles are an account's, not a region's."""
    return f"sitewright-task-start-{region}"


def task_family(client_id: str) -> str:
    """Returns the family of a site's task definition."""
    return f"sitewright-{client_id}"


BRANCH_PREFIX = "thread-"
"""How the name of a session's branch begins, unless the site has a `branchPrefix`."""


def branch_name(chat_thread_id: str, prefix: str = BRANCH_PREFIX) -> str:
    """Returns the git branch of a session."""
    return f"{prefix}{chat_thread_id}"


def rescue_branch(command_id: str, prefix: str = BRANCH_PREFIX) -> str:
    """Returns the branch for commits that conflict with the remote branch. Replaces characters that git forbids.

    A site with a prefix of its own has rules for names, which hold for this branch too.
    """
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", command_id)
    return f"rescue/{safe}" if prefix == BRANCH_PREFIX else f"{prefix}rescue-{safe}"


def site_host(client_id: str, domain: str) -> str:
    """Returns the site's host. S3 website hosting behind a CNAME demands a bucket of the same name."""
    return f"edit.{client_id}.{domain}"


def session_prefix(client_id: str, session_id: str) -> str:
    """Returns a session's key prefix in the artifacts bucket. It begins with the client, so a role can be limited to it."""
    return f"{client_id}/sessions/{session_id}/"


def manifest_key(client_id: str) -> str:
    """Returns the key of the site's manifest in the artifacts bucket."""
    return f"{client_id}/site/manifest.json.gz"


def deployment_key(client_id: str, deployment_id: str) -> str:
    """Returns the key of a deployment's own manifest in the artifacts bucket, which a rollback reads."""
    return f"{client_id}/site/deployments/{deployment_id}.json.gz"


def modules_key(client_id: str, lockfile_sha256: str) -> str:
    """Returns the key of a lockfile's node_modules archive in the artifacts bucket."""
    return f"{client_id}/cache/node_modules-{lockfile_sha256}.tar.zst"


def website_url(host: str, *, https: bool = False) -> str:
    """Returns the site's URL. S3's website endpoints support http only, so https means CloudFront."""
    return f"{'https' if https else 'http'}://{host}"


def github_api_host(host: str) -> str:
    """Returns the host of a GitHub's API: one of its own but for an Enterprise Server, which answers below /api/v3.

    Source: GitHub docs, "Getting started with the REST API", for each product (`NAME.ghe.com` has data residency).
    """
    return f"api.{host}" if host == "github.com" or host.endswith(".ghe.com") else host
