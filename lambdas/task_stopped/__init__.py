"""Turns a stopped workspace into a diagnosis and fails its open step."""
