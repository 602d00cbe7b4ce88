"""Commands under random kills and lost events: what the service promises must hold at the end."""
