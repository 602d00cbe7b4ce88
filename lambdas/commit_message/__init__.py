"""Writes the commit message of a run."""
