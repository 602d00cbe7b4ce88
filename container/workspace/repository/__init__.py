"""The git checkout, its remote repository, and its checkpoints in S3."""
