"""The life of a workspace: its steps, interruptions and idle waits."""
