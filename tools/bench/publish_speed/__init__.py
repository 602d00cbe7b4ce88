"""The publish beside `aws s3 sync` and `s5cmd sync`, on one S3 endpoint."""
