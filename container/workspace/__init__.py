"""The workspace: the runner that holds a session's checkout and does a run's steps in it."""
