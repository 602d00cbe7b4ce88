"""The CloudFront distribution of a site with `https`. Only the distribution may read the site's bucket."""

from aws_cdk import Duration
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.accepted_findings import accept
from stacks.cdn_stack import CdnStack


class SiteDistribution(Construct):
    """The distribution, with its right to read the bucket and its 404 page."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cdn: CdnStack,
        bucket: s3.Bucket,
        host: str,
        certificate: acm.ICertificate,
    ) -> None:
        super().__init__(scope, construct_id)
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=host,
            domain_names=[host],
            certificate=certificate,
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            default_root_object="index.html",
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.S3BucketOrigin.with_origin_access_control(
                    bucket, origin_access_control=cdn.origin_access
                ),
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                compress=True,
                cache_policy=cdn.cache,
                response_headers_policy=cdn.headers,
                function_associations=[
                    cloudfront.FunctionAssociation(
                        event_type=cloudfront.FunctionEventType.VIEWER_REQUEST, function=cdn.index_documents
                    )
                ],
            ),
            # For a missing key S3 answers 403 to a caller that may not list the bucket (S3 API reference, GetObject).
            error_responses=[
                cloudfront.ErrorResponse(
                    http_status=status,
                    response_http_status=404,
                    response_page_path="/404.html",
                    # CloudFront caches an error for 10 s by default. Clients ask for pages before they are published.
                    ttl=Duration.seconds(0),
                )
                for status in (403, 404)
            ],
        )
        accept(
            self.distribution,
            "The origin has an access control. Its id is another stack's output, which cdk-nag takes for none.",
            "AwsSolutions-CFR7",
        )
        accept(
            self.distribution,
            "A log of each request would hold visitors' addresses, and cost more than it serves. The site is public.",
            "AwsSolutions-CFR3",
            "CKV_AWS_86",
        )
        accept(
            self.distribution,
            "Every country may read the site. It is static: no program answers, so a web ACL ($5 a month) protects nothing.",
            "AwsSolutions-CFR1",
            "AwsSolutions-CFR2",
            "CKV_AWS_68",
        )
