"""Diagnoses a stopped workspace and fails its open steps."""
