"""Takes what came since into a session's branch: the commit that is live, and the host's branches."""
