"""The Lambda functions. Each has a thin handler, and its logic in modules beside the handler."""
