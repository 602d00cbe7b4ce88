"""All checks of one site: registration, secrets, git host, model, DNS."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from sitewright.cli.doctor import dns_check, git_check, model_check, stored_secrets
from sitewright.cli.doctor.aws_answers import error_code, guarded
from sitewright.cli.doctor.findings import Finding, failed, not_checked, ok, warning
from sitewright.cli.doctor.http_probe import Answer
from sitewright.contracts.names import GIT_TOKEN, MODEL_KEY, SIGNING_KEY, SITE_PARAMETER_PREFIX
from sitewright.contracts.records import SiteEntry
from sitewright.contracts.secrets.secret_text import GIT_TOKEN_KEYS, MODEL_KEY_KEYS
from sitewright.contracts.site_config import SiteConfig
from sitewright.contracts.workspace_settings import GitAuth, ModelProvider

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_cloudfront import CloudFrontClient
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_ssm import SSMClient


@dataclass(frozen=True)
class SiteClients:
    """What the checks of a site ask. All clients may be used from any thread."""

    region: str
    ssm: "SSMClient"
    route53: "Route53Client"
    cloudfront: "CloudFrontClient"
    bedrock: "Callable[[str], BedrockClient]"
    get: Callable[[str, dict[str, str]], Answer]
    lookup: dns_check.Lookup


def site_findings(site: SiteConfig, clients: SiteClients) -> list[Finding]:
    """Makes all checks of a site. Raises nothing that AWS, a git host, a model or DNS can cause."""
    entry: list[SiteEntry] = []
    found = guarded("registration", "ssm:GetParameter", lambda: [_registered(site, clients, entry)], site.client_id)
    found += _git(site, clients)
    if site.sign_commits:
        found.append(stored_secrets.read_key_file(clients.ssm, site.client_id, SIGNING_KEY))
    found += _model(site, clients)
    found += stored_secrets.of_build(clients.ssm, site)
    found += _dns(site, clients, entry[0] if entry else None)
    return found


def _registered(site: SiteConfig, clients: SiteClients, entry: list[SiteEntry]) -> Finding:
    try:
        stored = clients.ssm.get_parameter(Name=f"{SITE_PARAMETER_PREFIX}{site.client_id}")
    except clients.ssm.exceptions.ParameterNotFound:
        remedy = f"Run `cdk deploy Sitewright-Site-{site.client_id}`."
        return warning("registration", "the site is not deployed.", remedy, site.client_id)
    try:
        entry.append(SiteEntry.model_validate_json(stored["Parameter"]["Value"]))
    except ValidationError:
        remedy = f"Run `cdk deploy Sitewright-Site-{site.client_id}`."
        return failed("registration", "it is none that this version can read.", remedy, site.client_id)
    return ok("registration", "the site is deployed.", site.client_id)


def _git(site: SiteConfig, clients: SiteClients) -> list[Finding]:
    if site.git_auth is GitAuth.GITHUB_APP:
        app = stored_secrets.read_app(clients.ssm, site.client_id)
        if app.value is None:
            return [app.finding]
        remedy = "Send a first message; docs/github-app.md has the App's errors."
        minted = "a GitHub App's tokens are minted in the workspace."
        return [app.finding, not_checked(git_check.CHECK, minted, remedy, site.client_id)]
    stored = stored_secrets.read(clients.ssm, site.client_id, GIT_TOKEN, GIT_TOKEN_KEYS)
    if stored.value is None:
        return [stored.finding]
    return [stored.finding, git_check.may_push(site.client_id, site.repository, stored.value, clients.get)]


def _model(site: SiteConfig, clients: SiteClients) -> list[Finding]:
    if site.model_provider is ModelProvider.BEDROCK:
        bedrock = clients.bedrock(site.model_region or clients.region)
        action = "bedrock:GetFoundationModelAvailability"
        return guarded(model_check.CHECK, action, lambda: [model_check.bedrock_access(site, bedrock)], site.client_id)
    stored = stored_secrets.read(clients.ssm, site.client_id, MODEL_KEY, MODEL_KEY_KEYS)
    if stored.value is None:
        return [stored.finding]
    return [stored.finding, model_check.key_is_valid(site, stored.value, clients.get)]


def _zone(site: SiteConfig, zone_id: str, name: str, clients: SiteClients) -> Finding:
    remedy = f"Give `hostedZone` the id of the public zone {name}."
    try:
        told: Any = clients.route53.get_hosted_zone(Id=zone_id)
    except ClientError as error:
        if error_code(error) != "NoSuchHostedZone":
            raise
        return failed(dns_check.CHECK, f"the account has no zone {zone_id}.", remedy, site.client_id)
    found = told["HostedZone"]["Name"].rstrip(".").lower()
    # Route 53 names no servers for a private zone.
    if "DelegationSet" not in told:
        return failed(dns_check.CHECK, f"{zone_id} is a private zone, which no visitor sees.", remedy, site.client_id)
    if found != name:
        return failed(dns_check.CHECK, f"{zone_id} is the zone {found}.", remedy, site.client_id)
    return dns_check.zone_is_delegated(site, name, told["DelegationSet"]["NameServers"], clients.lookup)


def _dns(site: SiteConfig, clients: SiteClients, entry: SiteEntry | None) -> list[Finding]:
    zone, name = site.hosted_zone, site.zone_name
    if zone is not None and name is not None:

        def servers() -> list[Finding]:
            return [_zone(site, zone.id, name, clients)]

        return guarded(dns_check.CHECK, "route53:GetHostedZone", servers, site.client_id)
    if not site.https:
        target = dns_check.website_endpoint(site.bucket, clients.region)
        return [dns_check.host_points_at(site, target, clients.lookup)]
    if entry is None or entry.distribution_id is None:
        remedy = f"Deploy the site, then create a CNAME from {site.host} to its output DistributionDomain."
        return [not_checked(dns_check.CHECK, "the site has no distribution yet.", remedy, site.client_id)]
    distribution = entry.distribution_id

    def domain() -> list[Finding]:
        told = clients.cloudfront.get_distribution(Id=distribution)["Distribution"]["DomainName"]
        return [dns_check.host_points_at(site, told.lower(), clients.lookup)]

    return guarded(dns_check.CHECK, "cloudfront:GetDistribution", domain, site.client_id)
