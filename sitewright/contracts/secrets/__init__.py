"""What a secret looks like: as people paste it, and in a text that must not show it. Pure."""
