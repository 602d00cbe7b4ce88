"""Finds a site's deployments through the site's registration, on the local stack or on AWS."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.names import SITE_PARAMETER_PREFIX
from sitewright.contracts.records import SiteEntry
from sitewright.contracts.site_config import DEFAULT_REGION
from sitewright.local.aws_clients import Aws
from sitewright.local.errors import LocalError
from sitewright.local.machine.service_environment import ACCESS_KEY, SECRET_KEY, network_environment
from sitewright.publishing.objects.workers import THREADS
from sitewright.publishing.target import small_object_client

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient

    from sitewright.publishing.target import SmallObjectClient


class NoSuchSite(LocalError):
    """No site is registered for this client."""


class AwsRefused(LocalError):
    """AWS did not answer, or refused a request: credentials, region, rights."""


@dataclass(frozen=True)
class Access:
    """The AWS clients of the commands, for one account and region."""

    s3: "S3Client"
    dynamodb: "DynamoDBClient"
    ssm: "SSMClient"
    where: str
    """Describes the account or stack, for a person."""
    cloudfront: Callable[[], Any] | None = None
    """Makes the CloudFront client; None for the local stack, which has no CloudFront."""
    small_objects: "Callable[[], SmallObjectClient] | None" = None
    """Makes the client for the many small objects of a rollback. If None, `s3` copies them."""

    @classmethod
    def local(cls, info: dict[str, Any]) -> "Access":
        """Makes the clients of the local stack that `stack.json` describes."""
        aws = Aws(info["endpoint_url"], info["region"])

        def small_objects() -> "SmallObjectClient":
            # The client in C uses the proxies of the environment only, and would use one for loopback too.
            os.environ.update(network_environment(os.environ))
            return small_object_client(aws.s3, lambda: Credentials(ACCESS_KEY, SECRET_KEY))

        return cls(aws.s3, aws.dynamodb_client, aws.ssm, "the local stack", small_objects=small_objects)

    @classmethod
    def aws(cls, region: str | None) -> "Access":
        """Makes the clients of a deployed stack, with the user's credentials (environment, profile, single sign-on)."""
        with refusals():
            session = boto3.Session()
            region = region or session.region_name or DEFAULT_REGION
            config = Config(
                region_name=region, max_pool_connections=THREADS, retries={"mode": "standard", "total_max_attempts": 5}
            )
            s3 = session.client("s3", config=config)
            return cls(
                s3,
                session.client("dynamodb", config=config),
                session.client("ssm", config=config),
                region,
                lambda: session.client("cloudfront", config=config),
                lambda: small_object_client(s3, session.get_credentials, _ca_bundle()),
            )

    def site(self, client_id: str) -> SiteEntry:
        """Reads the site's registration. Raises NoSuchSite."""
        try:
            found = self.ssm.get_parameter(Name=f"{SITE_PARAMETER_PREFIX}{client_id}")
        except self.ssm.exceptions.ParameterNotFound as error:
            raise NoSuchSite(
                f"There is no site {client_id!r} on {self.where}.",
                "Correct --client, or say where it is: without --aws the local stack, with --aws the --region.",
            ) from error
        return SiteEntry.model_validate_json(found["Parameter"]["Value"])


def _ca_bundle() -> str | None:
    """Returns the file of certificates that botocore trusts instead of its own.

    Sources: AWS_CA_BUNDLE, the profile's `ca_bundle`, REQUESTS_CA_BUNDLE.
    """
    found: str | None = botocore.session.get_session().get_config_variable("ca_bundle")
    return found or os.environ.get("REQUESTS_CA_BUNDLE")


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turns AWS's errors into AwsRefused, whose text is one line with a remedy."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        said = " ".join(str(error).split())
        raise AwsRefused(
            f"AWS did not do it: {said.rstrip('.')}.",
            "Check your credentials (`aws sts get-caller-identity`), their rights, and --region.",
        ) from error
