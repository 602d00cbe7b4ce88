"""The certificate of a site with `https`. Its stack is in us-east-1, because CloudFront takes certificates from there only."""

from typing import Any

from aws_cdk import CrossStackReferences, ReferenceStrength, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_route53 as route53
from constructs import Construct

from sitewright.contracts.site_config import HostedZone


def hosted_zone(scope: Construct, zone: HostedZone, name: str) -> route53.IHostedZone:
    """Returns the operator's zone by its id and name. CDK looks nothing up."""
    return route53.HostedZone.from_hosted_zone_attributes(scope, "Zone", hosted_zone_id=zone.id, zone_name=name)


class CertificateStack(Stack):
    """The stack of one certificate. ACM validates and renews it by a record in the site's zone."""

    def __init__(
        self, scope: Construct, construct_id: str, *, host: str, zone: HostedZone, zone_name: str, **kwargs: Any
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self.certificate = acm.Certificate(
            self,
            "Certificate",
            domain_name=host,
            validation=acm.CertificateValidation.from_dns(hosted_zone(self, zone, zone_name)),
        )
        # CloudFormation reads the ARN from the stack's outputs. A strong reference across regions would take two functions
        # and two roles a site.
        CrossStackReferences.of(self.certificate).produce(ReferenceStrength.WEAK)
