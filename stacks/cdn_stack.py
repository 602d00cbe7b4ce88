"""What sites with `https` share: the CloudFront function, the origin access control, the policies of cache and headers.

Sites refer to them weakly: the platform of CloudFront can be replaced without an update of all sites at once.
"""

from pathlib import Path
from typing import Any

from aws_cdk import CrossStackReferences, Duration, ReferenceStrength, Stack
from aws_cdk import aws_cloudfront as cloudfront
from constructs import Construct

INDEX_DOCUMENTS = Path(__file__).parent / "site" / "index_documents.js"


class CdnStack(Stack):
    """The shared parts of up to SITES_OF_A_CDN_STACK distributions. They are free."""

    def __init__(self, scope: Construct, construct_id: str, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self.index_documents = cloudfront.Function(
            self,
            "IndexDocuments",
            code=cloudfront.FunctionCode.from_file(file_path=str(INDEX_DOCUMENTS)),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
        )
        self.origin_access = cloudfront.S3OriginAccessControl(self, "OriginAccess")
        # As the managed policy CachingOptimized: it obeys Cache-Control, with a minimum of 1 s. Whether the quota of 100
        # distributions holds for managed policies too is not documented.
        self.cache = cloudfront.CachePolicy(
            self,
            "Cache",
            min_ttl=Duration.seconds(1),
            default_ttl=Duration.days(1),
            max_ttl=Duration.days(365),
            enable_accept_encoding_brotli=True,
            enable_accept_encoding_gzip=True,
        )
        self.headers = cloudfront.ResponseHeadersPolicy(self, "Headers", security_headers_behavior=_security_headers())
        for shared in (self.index_documents, self.origin_access, self.cache, self.headers):
            CrossStackReferences.of(shared).produce(ReferenceStrength.WEAK)


def _security_headers() -> cloudfront.ResponseSecurityHeadersBehavior:
    """Returns the headers of the managed policy SecurityHeadersPolicy."""
    return cloudfront.ResponseSecurityHeadersBehavior(
        content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
        frame_options=cloudfront.ResponseHeadersFrameOptions(
            frame_option=cloudfront.HeadersFrameOption.SAMEORIGIN, override=False
        ),
        referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
            referrer_policy=cloudfront.HeadersReferrerPolicy.STRICT_ORIGIN_WHEN_CROSS_ORIGIN, override=False
        ),
        strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
            access_control_max_age=Duration.days(365), override=False
        ),
        xss_protection=cloudfront.ResponseHeadersXSSProtection(protection=True, mode_block=True, override=False),
    )
