"""Sends the responses. No other part sends any."""
