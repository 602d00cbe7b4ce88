"""The work after a publish: comparing the bucket with the manifest, and retiring old deployments."""
