"""Adds the stacks of one site: its own, and one for its certificate if the service makes the certificate."""

import aws_cdk as cdk

from sitewright.contracts.names import CLIENT_TAG
from sitewright.contracts.site_config import CERTIFICATE_REGION, SiteConfig
from stacks.certificate_stack import CertificateStack
from stacks.platform_stack import PlatformStack
from stacks.site_stack import SiteStack


def add_site(app: cdk.App, platform: PlatformStack, site: SiteConfig, region: str) -> SiteStack:
    """Adds a site's stacks to the app. They name no account: with one, CDK would make network calls at synth."""
    certificates = None
    if site.https and site.certificate_arn is None and site.hosted_zone and site.zone_name:
        certificates = CertificateStack(
            app,
            f"Sitewright-Certificate-{site.client_id}",
            host=site.host,
            zone=site.hosted_zone,
            zone_name=site.zone_name,
            env=cdk.Environment(region=CERTIFICATE_REGION),
            # CDK passes the ARN in an SSM parameter: CloudFormation's exports do not cross regions.
            cross_region_references=True,
        )
    stack = SiteStack(
        app,
        f"Sitewright-Site-{site.client_id}",
        platform=platform,
        site=site,
        certificate=certificates.certificate if certificates else None,
        env=cdk.Environment(region=region),
        cross_region_references=certificates is not None,
    )
    for tagged in filter(None, (certificates, stack)):
        cdk.Tags.of(tagged).add(CLIENT_TAG, site.client_id)
    return stack
