"""The DNS records of a site's host."""

from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_s3 as s3
from constructs import Construct


class DnsRecords(Construct):
    """The alias records to CloudFront, or to the website endpoint of S3. They cost nothing."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        zone: route53.IHostedZone,
        host: str,
        bucket: s3.Bucket,
        distribution: cloudfront.Distribution | None,
    ) -> None:
        super().__init__(scope, construct_id)
        # Without the trailing dot CDK may append the zone's name.
        name = f"{host}."
        if distribution is None:
            # The website endpoint has no IPv6 address. It finds the bucket by the host's name.
            website = route53.RecordTarget.from_alias(targets.BucketWebsiteTarget(bucket))
            route53.ARecord(self, "A", zone=zone, record_name=name, target=website)
            return
        cdn = route53.RecordTarget.from_alias(targets.CloudFrontTarget(distribution))
        route53.ARecord(self, "A", zone=zone, record_name=name, target=cdn)
        route53.AaaaRecord(self, "Aaaa", zone=zone, record_name=name, target=cdn)
