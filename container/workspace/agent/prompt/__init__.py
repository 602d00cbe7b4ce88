"""What Claude Code is told: the instructions of its role, the repository's rules, the earlier conversation, the wishes."""
