"""The life of a workspace: one step after the other, interruptions, idle waits."""
