"""What one site has: bucket, distribution, DNS records, workspace, state machine, and the rights of each."""
