"""The only sender of responses."""
