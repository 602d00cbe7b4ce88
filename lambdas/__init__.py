"""The Lambda functions: a thin handler each, the logic beside it."""
