"""Checkpoints of a session: what goes into one, and how a workspace is filled from it."""
