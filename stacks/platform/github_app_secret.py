"""The secret of the GitHub App: one for all sites."""

import re
from typing import Any

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_secretsmanager as secretsmanager

from sitewright.contracts.names import GITHUB_APP_SECRET
from sitewright.contracts.site_config import SiteConfigError
from stacks.accepted_findings import accept
from stacks.arns import arn

CONTEXT = "githubAppSecret"

_COMPLETE = re.compile(r"arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@!-]+-[A-Za-z0-9]{6}")


class GitHubAppSecret:
    """The operator's own secret if the context names one, else a secret in the platform's stack.

    Sites refer to it by name: an export of the platform could not be removed while a site's stack still imports it.
    """

    def __init__(self, platform: Stack) -> None:
        """Raises SiteConfigError for a context that is no secret's ARN."""
        self._own: str | None = _own(platform.node.try_get_context(CONTEXT))
        if self._own is None:
            secret = secretsmanager.Secret(
                platform,
                "GitHubApp",
                secret_name=GITHUB_APP_SECRET,
                description='The GitHub App of all sites: {"appId", "privateKey"}',
                removal_policy=RemovalPolicy.DESTROY,
            )
            accept(secret, "GitHub issues the key, and has no API that makes a new one.", "AwsSolutions-SMG4")
        CfnOutput(platform, "GitHubAppSecret", value=self.id)

    @property
    def id(self) -> str:
        """The secret's name, or the ARN of the operator's own."""
        return self._own or GITHUB_APP_SECRET

    def resource(self, stack: Stack) -> str:
        """Returns the secret's ARN for a policy. Secrets Manager ends each ARN with six characters of its own."""
        return self._own or arn(stack, "secretsmanager", f"secret:{GITHUB_APP_SECRET}-??????")


def _own(context: Any) -> str | None:
    if not context:
        return None
    if not isinstance(context, str) or not _COMPLETE.fullmatch(context):
        raise SiteConfigError(
            f"{CONTEXT}: must be the complete ARN of a secret, with the six characters at its end. "
            "Correct it in cdk.json, or leave it out to have a secret made."
        )
    return context
