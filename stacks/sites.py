"""Adds the stacks of all sites: one for each site, one for each certificate that is made, and what distributions share."""

from collections.abc import Sequence

import aws_cdk as cdk

from sitewright.contracts.names import CLIENT_TAG, SITES_OF_A_CDN_STACK
from sitewright.contracts.site_config import CERTIFICATE_REGION, SiteConfig
from stacks.cdn_stack import CdnStack
from stacks.certificate_stack import CertificateStack
from stacks.platform_stack import PlatformStack
from stacks.site_stack import SiteStack


def add_sites(app: cdk.App, platform: PlatformStack, sites: Sequence[SiteConfig], region: str) -> None:
    """Adds the sites' stacks to the app. They name no account: with one, CDK would make network calls at synth."""
    env = cdk.Environment(region=region)
    secure = [site for site in sites if site.https]
    cdns = [
        CdnStack(app, f"Sitewright-Cdn-{number}", env=env)
        for number in range(1, 1 + -(-len(secure) // SITES_OF_A_CDN_STACK))
    ]
    cdn_of = {site.client_id: cdns[position // SITES_OF_A_CDN_STACK] for position, site in enumerate(secure)}
    for site in sites:
        certificates = _certificates(app, site)
        stack = SiteStack(
            app,
            f"Sitewright-Site-{site.client_id}",
            platform=platform,
            site=site,
            cdn=cdn_of.get(site.client_id),
            certificate=certificates.certificate if certificates else None,
            env=env,
        )
        for tagged in filter(None, (certificates, stack)):
            cdk.Tags.of(tagged).add(CLIENT_TAG, site.client_id)


def _certificates(app: cdk.App, site: SiteConfig) -> CertificateStack | None:
    """Adds the stack of the site's certificate, if the service makes one."""
    if not site.https or site.certificate_arn is not None or not (site.hosted_zone and site.zone_name):
        return None
    return CertificateStack(
        app,
        f"Sitewright-Certificate-{site.client_id}",
        host=site.host,
        zone=site.hosted_zone,
        zone_name=site.zone_name,
        env=cdk.Environment(region=CERTIFICATE_REGION),
    )
