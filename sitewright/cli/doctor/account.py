"""Checks of the account: whose credentials they are, CDK's bootstrap, and public access to buckets."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from sitewright.cli.doctor.aws_answers import error_code, guarded, unseen
from sitewright.cli.doctor.findings import Finding, failed, ok
from sitewright.contracts.site_config import CERTIFICATE_REGION, SiteConfig

if TYPE_CHECKING:
    from mypy_boto3_s3control import S3ControlClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
"""CDK's default qualifier (CDK guide, "Customize AWS CDK bootstrapping")."""

BOOTSTRAP_VERSION = 6
"""What every synthesized template demands (its rule CheckBootstrapVersion)."""


def identity(sts: "STSClient") -> tuple[str | None, Finding]:
    """Returns the account's number, None if AWS does not tell it, and the finding."""
    try:
        caller = sts.get_caller_identity()
    except (ConnectionError, HTTPClientError) as error:
        return None, unseen("credentials", "sts:GetCallerIdentity", error)
    except (ClientError, BotoCoreError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        remedy = "Sign in (`aws sso login`, `aws configure`), or set AWS_PROFILE."
        return None, failed("credentials", f"AWS does not accept them: {said}.", remedy)
    return caller["Account"], ok("credentials", f"account {caller['Account']} as {caller['Arn']}.")


def bootstrap(
    client_of: Callable[[str], "SSMClient"], account: str, region: str, sites: Sequence[SiteConfig]
) -> list[Finding]:
    """Looks for CDK's bootstrap stack in each region that `cdk deploy` uses."""
    certificates = any(site.https and site.certificate_arn is None for site in sites)
    found: list[Finding] = []
    for name in dict.fromkeys([region, *([CERTIFICATE_REGION] if certificates else [])]):
        client, remedy = client_of(name), f"Run `cdk bootstrap aws://{account}/{name}`."

        def look(client: "SSMClient" = client, name: str = name, remedy: str = remedy) -> list[Finding]:
            try:
                version = int(client.get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]["Value"])
            except client.exceptions.ParameterNotFound:
                return [failed("bootstrap", "the region is not bootstrapped.", remedy, name)]
            if version < BOOTSTRAP_VERSION:
                return [failed("bootstrap", f"version {version} is older than {BOOTSTRAP_VERSION}.", remedy, name)]
            return [ok("bootstrap", f"version {version}.", name)]

        found += guarded("bootstrap", "ssm:GetParameter", look, name)
    return found


def public_access(s3control: "S3ControlClient", account: str, sites: Sequence[SiteConfig]) -> list[Finding]:
    """Tells whether the account lets a bucket be public. S3's own website, of a site without `https`, needs that.

    The answer includes what an organization's policy decides:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_GetPublicAccessBlock.html
    """
    check = "public buckets"
    public = [site.client_id for site in sites if not site.https]
    if not public:
        return [ok(check, "every site has https, whose bucket is private.")]

    def look() -> list[Finding]:
        try:
            block = s3control.get_public_access_block(AccountId=account)["PublicAccessBlockConfiguration"]
        except ClientError as error:
            if error_code(error) != "NoSuchPublicAccessBlockConfiguration":
                raise
            return [ok(check, "the account allows them.")]
        closed = [name for name in ("BlockPublicPolicy", "RestrictPublicBuckets") if block.get(name)]
        if not closed:
            return [ok(check, "the account allows them.")]
        return [
            failed(
                check,
                f"the account or its organization forbids them ({', '.join(closed)}), "
                f"so the stacks of {_some(public)} roll back.",
                "Give the sites `https: true`, whose buckets are private, or switch Block Public Access off for the "
                "account (S3 console, Block Public Access settings for this account).",
            )
        ]

    return guarded(check, "s3:GetAccountPublicAccessBlock", look)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
