"""Requests to S3 and CloudFront: uploads, copies, listings, invalidations."""
