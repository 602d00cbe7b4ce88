"""The workspace: a runner with a session's checkout, which does the steps of runs."""
