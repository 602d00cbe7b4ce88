"""A site's stacks: its own, and one for the certificate where that is made for it."""

import aws_cdk as cdk

from sitewright.contracts.site_config import CERTIFICATE_REGION, SiteConfig
from stacks.certificate_stack import CertificateStack
from stacks.platform_stack import PlatformStack
from stacks.site_stack import SiteStack


def add_site(app: cdk.App, platform: PlatformStack, site: SiteConfig, region: str) -> SiteStack:
    """The stack of a site in `region`, without an account: with one, CDK would look things up at synth."""
    certificate = None
    if site.https and site.certificate_arn is None and site.hosted_zone and site.zone_name:
        certificate = CertificateStack(
            app,
            f"Sitewright-Certificate-{site.client_id}",
            host=site.host,
            zone=site.hosted_zone,
            zone_name=site.zone_name,
            env=cdk.Environment(region=CERTIFICATE_REGION),
            # CDK carries the ARN over in an SSM parameter: CloudFormation's own exports end at the region's border.
            cross_region_references=True,
        ).certificate
    return SiteStack(
        app,
        f"Sitewright-Site-{site.client_id}",
        platform=platform,
        site=site,
        certificate=certificate,
        env=cdk.Environment(region=region),
        cross_region_references=certificate is not None,
    )
