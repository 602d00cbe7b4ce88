"""The model proxy: an HTTP server on loopback, between Claude Code and the model's API.

It has the key, so that Claude Code needs none, and it meters what the answers cost.
"""
