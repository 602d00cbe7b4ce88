"""The constructs of one site: bucket, distribution, DNS records, workspace, state machine, and their rights."""
