"""The steps: each module has `run(ctx)`."""
