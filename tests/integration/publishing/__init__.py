"""The publish in processes of its own, against an S3 endpoint, through a proxy that breaks requests."""
