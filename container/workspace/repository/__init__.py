"""The git checkout, its remote, and its checkpoints in S3."""
