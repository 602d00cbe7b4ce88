"""All checks in their order: the machine, the account, then each site."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from sitewright.cli.doctor import account, dns_check, http_probe, machine
from sitewright.cli.doctor.findings import Finding, not_checked
from sitewright.cli.doctor.quotas import quota_findings
from sitewright.cli.doctor.site import SiteClients, site_findings
from sitewright.cli.doctor.site_list import Sites
from sitewright.contracts.site_config import CERTIFICATE_REGION
from sitewright.local.machine.stack_home import Home

THREADS = 16
"""Sites are checked beside each other: a thousand of them take minutes, not an hour."""

CONFIG = Config(
    connect_timeout=5,
    read_timeout=20,
    max_pool_connections=THREADS,
    retries={"mode": "standard", "total_max_attempts": 4},
)


def local_findings(home: Home) -> list[Finding]:
    """Checks what the local stack needs."""
    return [*machine.tools(), *machine.local_stack(home)]


def aws_findings(sites: Sites, session: boto3.Session, region: str) -> list[Finding]:
    """Checks what `cdk deploy` and the runs of `sites` need, with the caller's credentials. Changes nothing."""

    def client(service: Any, at: str = region) -> Any:
        return session.client(service, region_name=at, config=CONFIG)

    found = machine.tools()
    number, who = account.identity(client("sts"))
    found.append(who)
    if number is None:
        remedy = "Do what the line above says, then run this again."
        return [*found, not_checked("account and sites", "AWS does not tell whose the credentials are.", remedy)]
    found += account.bootstrap(lambda name: client("ssm", name), number, region, sites.sites)
    found += account.public_access(client("s3control"), number, sites.sites)
    found += quota_findings(lambda name: client("service-quotas", name), region, sites.sites)
    return [*found, *_of_sites(sites, client, region)]


def _of_sites(sites: Sites, client: Any, region: str) -> Sequence[Finding]:
    # Making a client is not safe in threads; using one is.
    regions = {site.model_region or region for site in sites.sites}
    bedrock = {name: client("bedrock", name) for name in regions}
    clients = SiteClients(
        region=region,
        ssm=client("ssm"),
        route53=client("route53", CERTIFICATE_REGION),
        cloudfront=client("cloudfront", CERTIFICATE_REGION),
        bedrock=bedrock.__getitem__,
        get=http_probe.get,
        lookup=dns_check.lookup,
    )
    with ThreadPoolExecutor(THREADS) as pool:
        results = pool.map(lambda site: site_findings(site, clients), sites.sites)
        return [finding for found in results for finding in found]
