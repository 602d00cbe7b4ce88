"""Keeps the books of a publish."""
