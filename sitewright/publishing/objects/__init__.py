"""Sends requests to S3 and CloudFront: uploads, copies, listings, invalidations."""
