"""The CloudFront distribution of a site with `https`. Only the distribution may read the site's bucket."""

from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.accepted_findings import accept

INDEX_DOCUMENTS = Path(__file__).parent / "index_documents.js"


class SiteDistribution(Construct):
    """The distribution, with its right to read the bucket, its index documents and its 404 page."""

    def __init__(
        self, scope: Construct, construct_id: str, *, bucket: s3.Bucket, host: str, certificate: acm.ICertificate
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
                origin=origins.S3BucketOrigin.with_origin_access_control(bucket),
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                compress=True,
                # Obeys Cache-Control, with a minimum of 1 s (CloudFront developer guide, "Use managed cache policies").
                # A custom policy would save that second, and count against the account's limit of 20.
                cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
                response_headers_policy=cloudfront.ResponseHeadersPolicy.SECURITY_HEADERS,
                function_associations=[
                    cloudfront.FunctionAssociation(
                        event_type=cloudfront.FunctionEventType.VIEWER_REQUEST, function=self._index_documents()
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

    def _index_documents(self) -> cloudfront.Function:
        return cloudfront.Function(
            self,
            "IndexDocuments",
            code=cloudfront.FunctionCode.from_file(file_path=str(INDEX_DOCUMENTS)),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
        )
