"""Sends commands under random kills and lost events, and checks the promises of the service at the end."""
