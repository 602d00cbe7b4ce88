"""Counts what a deployment of many sites has, beside the quotas of an account."""
