"""A network for the runs that tests start."""

from sitewright.contracts.steps import WorkspaceNetwork

NETWORK = WorkspaceNetwork(subnets=["subnet-1", "subnet-2"], security_group="sg-1")
